"""One request over HTTP/1.1, and its answer as bytes for the socket; see ``Caller``."""

import asyncio
import http
from typing import Protocol

from aidx.errors import AidxError
from aidx.serve.answer import Headers
from aidx.serve.caller import not_whole, too_large, too_many
from aidx.serve.strict import MAX_BODY

CLOSE = (b"connection", b"close")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}
WITHOUT_BODY = frozenset({204, 304})


class Way(Protocol):
    """The connection that a request came on."""

    @property
    def fixed(self) -> bytes:
        """Lines that stand in every answer."""
        ...

    @property
    def ends(self) -> bool:
        """Whether it takes no other request after this one."""
        ...

    def send(self, data: bytes) -> None:
        """Write."""
        ...

    async def drained(self) -> None:
        """Wait until the client takes what was written."""
        ...

    def answered(self) -> None:
        """The answer is complete."""
        ...

    def holds(self, size: int) -> bool:
        """So many bytes more of bodies are kept, or fewer; whether that is not too much."""
        ...


class Call:
    """One request. *keep*: the client wants to use the connection again; *old*: it speaks HTTP/1.0."""

    complete = done = gone = False
    status = size = 0
    task: asyncio.Task[None] | None = None
    _error: AidxError | None = None
    _waiter: asyncio.Future[None] | None = None
    _head = b""
    _expects = True  # that we ask for the body, if it says so

    def __init__(self, way: Way, method: str, path: str, headers: Headers, *, keep: bool, old: bool) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.keep = keep
        self.old = old
        self._way = way
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """A piece of its body."""
        self.size += len(data)
        if self.size > MAX_BODY:
            self.fail(too_large())
        elif not self.done and self._error is None:
            self._parts.append(data)
            if not self._way.holds(len(data)):
                self.fail(too_many())

    def end(self) -> None:
        """All of its body is there."""
        self.complete = True
        self._wake()

    def fail(self, error: AidxError) -> None:
        """Its body will not come whole."""
        self._error = self._error or error
        self.drop()
        self._wake()

    def drop(self) -> bytes:
        """Keep nothing of its body any longer; what there was of it."""
        if not self._parts:
            return b""
        parts, self._parts = self._parts, []
        self._way.holds(-sum(map(len, parts)))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def leave(self) -> None:
        """The client has gone."""
        self.gone = True
        self.drop()
        if self._waiter is not None:
            self.fail(not_whole())
        elif self.task is not None and not self.done:
            self.task.cancel()

    async def body(self) -> bytes:
        """The body; raises ``InputError`` when it is too large or ends too early."""
        while self._error is None and not self.complete:
            if self._expects:
                self._expects = False
                if any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.headers):
                    self._way.send(CONTINUE)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._error is not None:
            raise self._error
        return self.drop()

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """A complete answer, in one piece."""
        head = self._lines(status, headers, b"")
        self._way.send(head if self.method == "HEAD" else head + body)
        self._finish()

    def begin(self, status: int, headers: Headers) -> None:
        """The head of an answer; it waits for the first piece."""
        if self.old:  # it ends with the connection
            self.keep = False
        bare = self.old or self.method == "HEAD" or status in WITHOUT_BODY
        self._head = self._lines(status, headers, b"" if bare else b"transfer-encoding: chunked\r\n")

    def write(self, data: bytes, *, more: bool = True) -> None:
        """A piece of it; an empty one sends what waits."""
        if self.method == "HEAD":
            data = b""
        elif not self.old:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if not more:
                data += b"0\r\n\r\n"
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._way.send(data)
        if not more:
            self._finish()

    async def drain(self) -> None:
        """Wait while the other side takes nothing."""
        await self._way.drained()

    def _lines(self, status: int, headers: Headers, more: bytes) -> bytes:
        self.status = status
        if CLOSE in headers:
            self.keep = False
        elif not self.keep or self._way.ends:
            self.keep = False
            more += b"connection: close\r\n"
        lines = b"\r\n".join([*map(b": ".join, headers), b""])
        if not lines.count(b"\n") == lines.count(b"\r") == len(headers):
            raise ValueError("a header of an answer has a line break in it")
        return b"%b%b%b%b\r\n" % (STATUS[status], self._way.fixed, lines, more)

    def _finish(self) -> None:
        self.done = True
        self.drop()
        self._way.answered()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
