"""An HTTP server on loopback that says what a test tells it to: truth, lies, or half of either."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aidx.adapters.web.addresses import Peer


@dataclass
class Reply:
    """What is sent: *cut* ends the connection after so many bytes of the body, *length* lies about them."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    length: int | None = None


Handler = Callable[[str, Mapping[str, str]], Reply]


def say(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", **more: int) -> Handler:
    """Whatever is asked, the same answer."""
    return lambda _path, _asked: Reply(status, headers or {}, body, **more)


def ranged(data: bytes, *, etag: str | None = '"one"', headers: Mapping[str, str] | None = None) -> Handler:
    """A server that does ranges and ``If-Range`` as it should."""

    def answer(_path: str, asked: Mapping[str, str]) -> Reply:
        extra = {**({} if etag is None else {"ETag": etag}), **(headers or {})}
        span = asked.get("range", "")
        if not span or asked.get("if-range", etag) != etag:
            return Reply(200, extra, data)
        first, _, last = span.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last) + 1 if last else len(data), len(data))
        return Reply(206, {**extra, "Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}, data[start:stop])

    return answer


def redirect(url: str, status: int = 302) -> Handler:
    """A server that knows better where it is."""
    return say(status, {"Location": url})


def once(*handlers: Handler) -> Handler:
    """Each of *handlers* in turn; the last one for ever."""
    left = list(handlers)

    def answer(path: str, asked: Mapping[str, str]) -> Reply:
        handler = left.pop(0) if len(left) > 1 else left[0]
        return handler(path, asked)

    return answer


class Server:
    """*routes* by path without its query; *requests* as they came: path and headers in lower case."""

    def __init__(self) -> None:
        self.routes: dict[str, Handler] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def at(self, port: int) -> None:
        self.peer = Peer("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"

    def ranges(self) -> list[str]:
        return [headers.get("range", "") for _, headers in self.requests]


def scripted(
    routes: Mapping[str, Handler], requests: list[tuple[str, dict[str, str]]] | None = None
) -> type[BaseHTTPRequestHandler]:
    """What answers by *routes* and notes *requests*."""

    class Scripted(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, headers = self.path, {key.lower(): value for key, value in self.headers.items()}
            if requests is not None:
                requests.append((path, headers))
            handler = routes.get(path.partition("?")[0])
            self._send(Reply(404) if handler is None else handler(path, headers))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if "Transfer-Encoding" not in reply.headers:
                self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
            self.end_headers()
            self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            self.close_connection = self.close_connection or reply.cut is not None

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    return Scripted


class Quiet(ThreadingHTTPServer):
    """A server for clients that leave early, which is what many tests are about."""

    def handle_error(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server for the time of a test."""
    server = Server()
    http = Quiet(("127.0.0.1", 0), scripted(server.routes, server.requests))
    server.at(http.server_address[1])
    thread = Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
