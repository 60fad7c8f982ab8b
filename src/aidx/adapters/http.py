"""HTTP/1.1 to engines: a small pool of keep-alive connections, answers whole or as they come.

Written because a general client costs ten times the request that it carries, and because how long silence is borne
is the request's to say. No redirects: a request goes where it was told to or nowhere.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Self

import httptools

from aidx.adapters.tunnel import Proxy, connect
from aidx.errors import EngineError
from aidx.outbox import Outbox
from aidx.ports.chat import PATIENCE, Patience

if TYPE_CHECKING:
    import ssl

CONNECT_S = 4.0
HTTPS = 443
HIGH_WATER = 1 << 18  # bytes waiting for a slow reader before the engine is made to wait as well


class UnreachableError(EngineError):
    """Nobody took the request: it can be sent again, to whom one likes."""


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection with at most one request on it; httptools calls the ``on_…`` methods."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.parser = httptools.HttpResponseParser(self)  # one answer after the other
        self.alarm: asyncio.TimerHandle | None = None
        self.status = 0
        self.done = True
        self.headers: dict[str, str] = {}
        self.touched = self.keep = False
        self.failure = ""
        self.silent = False
        self.waiting = 0
        self.chunks: deque[bytes] = deque()
        self.wake: asyncio.Future[None] | None = None
        self.heard = 0.0  # when something last arrived
        self.limit = 0.0  # seconds of silence that are borne

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self.done and self.transport is not None and not self.transport.is_closing()

    @property
    def deaf(self) -> bool:
        """Whether the other side waits until somebody reads."""
        return self.waiting > HIGH_WATER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # create_connection makes full transports

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        if not self.done:
            self._fail("the connection was closed before the answer was complete" if exc is None else str(exc))

    def data_received(self, data: bytes) -> None:
        if self.done:  # nobody asked
            self.abort()
            return
        self.touched = True
        self.heard = self.loop.time()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the answer is not HTTP: {error}")
            self.abort()
        self._notify()

    def on_message_begin(self) -> None:
        if self.done:  # a second answer to one request
            self.abort()

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.chunks.append(data)
        self.waiting += len(data)
        if self.deaf and self.transport is not None:
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        self.done = True
        self.keep = self.parser.should_keep_alive()

    def send(self, data: bytes, seconds: float, outbox: Outbox, used: int) -> None:
        """Begin a request whose answer may be so many *seconds* in coming, by way of the pool's *outbox*."""
        self.status = 0
        self.done = self.touched = self.keep = False
        if self.chunks or self.headers:  # of an answer that nobody read
            self.chunks.clear()
            self.headers = {}
        self.waiting = 0
        self.limit = seconds
        self.heard = self.loop.time()
        if self.transport is None:
            self._fail("the connection was closed")
        else:
            outbox.put(self.transport, data, used)

    def abort(self) -> None:
        """Reset the connection, so that the other side notices at once."""
        if self.transport is not None:
            self.transport.abort()

    async def read(self, seconds: float) -> bytes:
        """What has arrived since the last call, waiting for some; empty at the end of the answer."""
        self.limit = seconds
        while not self.chunks:
            if self.done:
                return b""
            await self.more()
        data = self.chunks.popleft() if len(self.chunks) == 1 else b"".join(self.chunks)
        self.chunks.clear()
        self._listen()
        return data

    async def rest(self, seconds: float) -> bytes:
        """The rest of the answer."""
        parts = []
        while not self.done:  # all of it comes at once, mostly
            parts.append(await self.read(seconds))
        parts += self.chunks
        self.chunks.clear()
        self._listen()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _listen(self) -> None:
        """All that waited was read: the other side may go on."""
        if self.deaf and self.transport is not None:
            self.transport.resume_reading()
            self.heard = self.loop.time()  # it was we who did not listen
        self.waiting = 0

    def more(self) -> asyncio.Future[None]:
        """Done when something has come, or happened; raises ``EngineError`` where nothing will."""
        if self.failure:
            raise EngineError(self.failure, code="engine_silent" if self.silent else "engine_failed")
        wake = self.wake = self.loop.create_future()
        due = self.heard + self.limit
        if self.alarm is None or due < self.alarm.when():  # one for many waits: it costs more than a wait
            self._set_alarm(due)
        return wake

    def _set_alarm(self, due: float) -> None:
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm = self.loop.call_at(due, self._look)

    def _look(self) -> None:
        """Fail if nothing came for as long as was to be borne; else look again when that could be."""
        self.alarm = None
        if self.wake is None or self.wake.done():
            return  # nobody waits for the other side: it is the reader who is slow
        due = self.heard + self.limit
        if self.loop.time() < due:
            self._set_alarm(due)
            return
        self.silent = True
        self._fail(f"no answer within {self.limit:.0f} s")
        self.abort()

    def _notify(self) -> None:
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)

    def _fail(self, why: str) -> None:
        self.failure = self.failure or why
        self._notify()


class _Listening(_Connection):
    """One that keeps the headers: they cost as much as the rest, and few want them."""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")


class Streamed:
    """An answer as it comes, for the time of a block: ``status``, then the body in whatever pieces arrive.

    *headers* by names in lower case, of a pool that listens to them. Leaving early resets the connection.
    """

    status = 0

    def __init__(self, pool: "Pool", data: bytes, patience: Patience, *, stays: bool = False) -> None:
        self._pool = pool
        self._data = data
        self._patience = patience
        self._stays = stays

    async def __aenter__(self) -> Self:
        self._connection = await self._pool.exchange(self._data, self._patience, stays=self._stays)
        self.status = self._connection.status
        self.headers = self._connection.headers
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.put_back(self._connection)

    async def read(self) -> bytes:
        """What has arrived since the last call, waiting for some; empty at the end of the body.

        Raises ``EngineError`` where that comes too early.
        """
        return await self._connection.read(self._patience.between_s)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body."""
        while data := await self.read():
            yield data

    async def whole(self) -> bytes:
        """The rest of the body."""
        return await self._connection.rest(self._patience.between_s)


class Pool:
    """Keep-alive connections to one address; belongs to one event loop.

    *headers* go with every request, *prefix* stands before every path, *tls* encrypts (then *through* a proxy, too);
    one that *listens* hands over the headers of answers. Raises ``EngineError`` when nobody listens, when the
    connection breaks and when the other side is silent for longer than a request's patience (code ``engine_silent``).
    """

    def __init__(
        self,
        host: str,
        port: int,
        headers: Mapping[str, str] | None = None,
        *,
        prefix: str = "",
        tls: "ssl.SSLContext | None" = None,
        listens: bool = False,
        through: Proxy | None = None,
    ) -> None:
        self._through = through
        self._host = host
        self._port = port
        self._prefix = prefix
        self._tls = tls
        self._kind = _Listening if listens else _Connection
        named = f"[{host}]" if ":" in host else host
        at = named if tls is not None and port == HTTPS else f"{named}:{port}"
        fixed = {"Host": at, "Content-Type": "application/json", **(headers or {})}
        self._fixed = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
        self._heads: dict[tuple[str, str], bytes] = {}
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._outbox: Outbox | None = None  # of the loop that it turns out to belong to

    def stream(
        self, method: str, path: str, body: bytes = b"", *, patience: Patience = PATIENCE, stays: bool = False
    ) -> Streamed:
        """Send a request when the block is entered, and hand over the answer from its header on."""
        return Streamed(self, self._said(method, path, body), patience, stays=stays)

    async def request(
        self, method: str, path: str, body: bytes = b"", *, patience: Patience = PATIENCE, stays: bool = False
    ) -> Reply:
        """Send a request and wait for the whole answer."""
        connection = await self.exchange(self._said(method, path, body), patience, stays=stays)
        try:
            return Reply(connection.status, await connection.rest(patience.between_s))
        finally:
            self.put_back(connection)

    def close(self) -> None:
        """Reset all connections; requests in flight fail."""
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()

    async def exchange(self, data: bytes, patience: Patience, *, stays: bool = False) -> _Connection:
        """Send on an idle connection; once more on a new one if that was closed meanwhile, unread.

        Returns when the head of the answer is there; the connection is the caller's until it is put back. One who
        *stays* waits for the head even if cancelled, as long as for what comes between: what was asked for is known to
        have begun, then. Silence fails, even then: an engine that hangs is to be known though everybody has left.
        """
        while self._idle:
            connection = self._idle.pop()
            if not connection.usable:
                continue
            try:
                await self._send(connection, data, patience, stays=stays)
            except EngineError:
                if connection.touched or connection.silent:  # it was not closed
                    raise
            else:
                return connection
        connection = await self._connect()
        await self._send(connection, data, patience, stays=stays)
        return connection

    def _said(self, method: str, path: str, body: bytes) -> bytes:
        """A request as it goes over the wire."""
        head = self._heads.get((method, path))
        if head is None:
            text = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._fixed}Content-Length: "
            head = self._heads[method, path] = text.encode("ascii")
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    async def _send(self, connection: _Connection, data: bytes, patience: Patience, *, stays: bool) -> None:
        busy = self._busy
        busy.add(connection)
        if self._outbox is None:
            self._outbox = Outbox(connection.loop.call_soon)
        connection.send(data, patience.first_s, self._outbox, len(busy))
        try:
            while not connection.status:
                await connection.more()
        except EngineError:
            self.put_back(connection)
            raise
        except asyncio.CancelledError:  # even as the head came: nobody will read this answer
            try:
                connection.limit = min(connection.limit, connection.loop.time() - connection.heard + patience.between_s)
                while stays and not connection.status:
                    await connection.more()
            except EngineError:
                if connection.silent:
                    raise
            finally:
                self.put_back(connection)
            raise

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                if self._through is not None and self._tls is not None:
                    return await connect(self._kind, self._host, self._port, self._tls, self._through)
                _, connection = await loop.create_connection(self._kind, self._host, self._port, ssl=self._tls)
        except (OSError, TimeoutError) as error:
            raise self._unreachable(error) from None
        return connection

    def _unreachable(self, error: Exception) -> EngineError:
        at = f"{self._host}:{self._port}"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return EngineError(
                f"the certificate of {at} is not trusted",
                hint="Check the address and the clock; SSL_CERT_FILE names the certificates of a company's proxy.",
                code="bad_certificate",
            )
        by = f" by the proxy that {self._through.name} names" if self._through is not None else ""
        return UnreachableError(
            f"nothing answers at {at}{by}", hint="Start what is to run there, or correct the address."
        )

    def put_back(self, connection: _Connection) -> None:
        """Use *connection* again, if its answer was read to the end, or all but a little; else reset it."""
        self._busy.discard(connection)
        if connection.usable and connection.keep and not connection.deaf:
            self._idle.append(connection)
        else:
            connection.abort()
