"""A service that a test writes: what it answers to each request, and what it was asked."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Thread

from tests.fakes.server import Quiet


@dataclass
class Request:
    """One request as it came; headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Said:
    """One answer; pieces of *body* are sent one by one, each as a chunk, and *cut* leaves out the end."""

    status: int = 200
    body: Iterable[bytes] | bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Route = Callable[[Request], Said]


def say(value, status=200, **headers) -> Said:
    """*value* as JSON."""
    return Said(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


def events(*pieces: bytes, cut: bool = False) -> Said:
    """A stream of *pieces*."""
    return Said(200, pieces, {"Content-Type": "text/event-stream"}, cut)


class Upstream:
    """*routes* by method and path; *requests* as they came."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Route] = {}
        self.requests: list[Request] = []
        self.url = ""

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]


@contextmanager
def upstream(routes: Mapping[tuple[str, str], Route] | None = None) -> Iterator[Upstream]:
    """A service for as long as the block runs."""
    found = Upstream()
    found.routes.update(routes or {})
    http = Quiet(("127.0.0.1", 0), handler(found))
    found.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def handler(of: Upstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            of.requests.append(request)
            route = of.routes.get((self.command, self.path))
            self.say(Said(404, b'{"error":{"message":"no such path"}}') if route is None else route(request))

        do_GET = answer  # noqa: N815 - the library's names
        do_POST = answer  # noqa: N815

        def say(self, said: Said) -> None:
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if isinstance(said.body, bytes):
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in said.body:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
            if said.cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_) -> None:
            """Stay quiet."""

    return Handler
