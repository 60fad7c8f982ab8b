"""A company's proxy: opens tunnels to a server of this machine, whatever their name, and keeps what it was asked."""

import socket
from contextlib import contextmanager, suppress
from threading import Thread


class Proxy:
    """*asked* is the head of every request; tunnels lead to *port*, unless *answer* is what it says instead."""

    def __init__(self, port, answer=None):
        self.asked = []
        self.answer = answer
        self.to = port
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def run(self):
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (data := client.recv(4096)):
                    return
                head += data
            self.asked.append(head.decode())
            if self.answer is not None:
                client.sendall(self.answer)
                return
            with socket.create_connection(("127.0.0.1", self.to)) as there:
                client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
                back = Thread(target=pipe, args=(there, client), daemon=True)
                back.start()
                pipe(client, there)
                back.join()


def pipe(source, target):
    """Everything from *source* to *target*, and its end."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(port, answer=None):
    """One that runs, for as long as the block does."""
    found = Proxy(port, answer)
    thread = Thread(target=found.run, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.listening.shutdown(socket.SHUT_RDWR)
        found.listening.close()
        thread.join()
