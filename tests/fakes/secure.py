"""Encrypted servers, and the certificates that they have; made with openssl."""

import ssl
import subprocess
from contextlib import contextmanager
from threading import Thread

from tests.fakes.server import Quiet


def certificate(folder, name="localhost"):
    """The key and the certificate for *name*, which signs itself."""
    key, made = folder / "key.pem", folder / "cert.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*request, *names], check=True, capture_output=True)
    return key, made


@contextmanager
def secure(handler, certificate):
    """The port of a server that has *certificate*, for as long as the block runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])

    class Secure(Quiet):
        def finish_request(self, request, client_address):
            with context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)

    http = Secure(("127.0.0.1", 0), handler)
    thread = Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield http.server_address[1]
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
