"""Certificates: connecting to a checked address must not mean believing whoever answers there."""

import shutil
import ssl
import subprocess
from threading import Thread

import pytest
from tests.fakes.server import Quiet, say, scripted

from aidx.adapters.web.addresses import Peer
from aidx.errors import EngineError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for ``localhost`` that signs itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "cert.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*request, *names], check=True, capture_output=True)
    return key, made


@pytest.fixture
def port(certificate):
    """The port of a server that has that certificate."""
    handler = scripted({"/a": say(200, {}, b"hello")})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])

    class Secure(Quiet):
        def finish_request(self, request, client_address):
            with context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)

    http = Secure(("127.0.0.1", 0), handler)
    thread = Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield http.server_address[1]
    http.shutdown()
    http.server_close()
    thread.join()


def ask(make_web, host, port):
    with make_web(trusted=(Peer(host, port),)).get(f"https://{host}:{port}/a") as answer:
        return answer.whole(100)


def test_a_certificate_that_is_trusted_for_the_name(make_web, port, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))

    assert ask(make_web, "localhost", port) == b"hello"


def test_a_certificate_for_another_name(make_web, port, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))

    with pytest.raises(EngineError, match="the certificate is not trusted") as caught:
        ask(make_web, "127.0.0.1", port)
    assert caught.value.code == "bad_certificate"


def test_a_certificate_that_nobody_trusts(make_web, port):
    with pytest.raises(EngineError, match="the certificate is not trusted"):
        ask(make_web, "localhost", port)
