"""Listens: the socket, and HTTP that does not wait for ever."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, Literal

import uvicorn
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aidx.errors import InputError
from aidx.serve import answer
from aidx.serve.app import App

DRAIN_S = 4  # of the five seconds that SIGTERM has; the rest is for the engines
BACKLOG = 256
HEAD_S = 5.0  # for a request's head to be complete
HEAD_BYTES = 32 << 10
BODY_S = 30.0  # for its body
CONNECTIONS = 512  # at a time; half of the files that a process may usually open
IDLE_S = 60  # a client may think for a while before it uses its connection again


class Listen(Struct, frozen=True):
    """Where to listen; *key* is wanted of clients, and needed on anything but loopback.

    *origins* are those of pages elsewhere that may ask, such as ``https://chat.example``.
    """

    host: str = "127.0.0.1"
    port: int = 8411
    key: str | None = None
    origins: tuple[str, ...] = ()


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP, less patient: requests must come whole and soon, and not from too many at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **options)
        self._part: Literal["head", "body"] = "head"
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            self._refuse(503, "there are too many connections", "too_many_connections")
        else:
            self._wait(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read; what is not complete by now has a deadline, and a head a bound."""
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._head_bytes or self.transport.is_closing():
            return
        if self._part == "head" and self._head_bytes > HEAD_BYTES:
            self._refuse(431, f"the head of the request has more than {HEAD_BYTES} bytes", "head_too_large")
        elif self._deadline is None:
            self._wait(HEAD_S if self._part == "head" else BODY_S)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._part = "body"
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next thing to come is a head."""
        self._part = "head"
        self._head_bytes = 0
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, in OpenAI's shape."""
        self._refuse(400, msg, "invalid_request")

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._late, seconds)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self, seconds: float) -> None:
        self._deadline = None
        if self._answering():
            self._wait(seconds)
        elif self._head_bytes:
            about = f"the {self._part} of the request took longer than {seconds:.0f} s"
            self._refuse(408, about, f"{self._part}_too_slow")
        else:
            self.transport.close()

    def _answering(self) -> bool:
        """Whether an answer is on its way, into which no other may be written."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return self._part == "head" or cycle.response_started

    def _refuse(self, status: int, message: str, code: str) -> None:
        found = answer.error(InputError(message, code=code))
        head = [f"HTTP/1.1 {status} \r\n".encode(), *(b"%b: %b\r\n" % header for header in found.headers)]
        self.transport.write(b"".join([*head, b"connection: close\r\n\r\n", found.body]))
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: engines must be stopped after the last answer, by us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@asynccontextmanager
async def listening(app: App, on: socket.socket) -> AsyncIterator[None]:
    """Answer on *on* for as long as the block runs; afterwards let what is in flight end."""
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[on]))
    try:
        yield
    finally:
        app.draining = True
        server.should_exit = True
        await serving


@contextmanager
def bound(listen: Listen) -> Iterator[socket.socket]:
    """A socket that listens; port 0 takes a free one. Raises ``InputError`` for an address that cannot be had."""
    with ExitStack() as stack:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            found = stack.enter_context(socket.socket(family, kind, protocol))
            if sys.platform != "win32":  # there it would let two servers share the port
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(BACKLOG)
        except OSError as error:
            raise InputError(
                f"cannot listen on {listen.host}:{listen.port}: {error.strerror or error}",
                hint="Choose another --port (0 takes a free one), or stop what listens there.",
            ) from None
        yield found


def address(of: socket.socket) -> str:
    """Where clients reach it."""
    host, port = of.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
