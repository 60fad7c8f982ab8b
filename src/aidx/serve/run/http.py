"""HTTP/1.1 for the endpoint: connections with one request after the other, and clocks for the slow.

Our own, on httptools, because a general server costs as much as all the rest of a request: a dictionary and three
messages each, a timer for every wait, and two writes where one does.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Literal

import httptools

from aidx.errors import InputError
from aidx.serve import answer
from aidx.serve.caller import too_large
from aidx.serve.run import head
from aidx.serve.run.call import Call
from aidx.serve.run.hub import Hub
from aidx.serve.strict import MAX_BODY

if TYPE_CHECKING:
    from aidx.serve.answer import Headers

HEAD_S = 5.0  # for a request's head to be complete
HEAD_BYTES = 32 << 10
BODY_S = 30.0  # for its body
IDLE_S = 60.0  # a client may think for a while before it uses its connection again
BODIES = 64 << 20  # bytes of all bodies that are not read yet
STALLED_S = 60.0  # a client that takes nothing for so long does not hold its cells any longer

AHEAD = 8  # requests beside the first before that is answered; who sends more is read on later, and missed later
PIPELINED = 100  # requests before the answer to the first; each keeps a kilobyte
VERSIONS = frozenset({"1.0", "1.1"})

Part = Literal["head", "body"]


class Connection(asyncio.Protocol):
    """One client's connection; httptools calls the ``on_…`` methods."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._parser = self._made()
        self._calls: deque[Call] = deque()  # the first one is being answered
        self._coming: Call | None = None  # the one whose body is not complete
        self._bytes = 0  # of what is coming
        self._large = False  # whether more came at once than a head may have
        self._url = b""
        self._headers: Headers = []
        self._waits: Part | Literal["idle", ""] = "head"
        self._due = hub.loop.time() + HEAD_S
        self._ended = False
        self._deaf = False
        self.task: asyncio.Task[None] | None = None  # it answers: one for all requests costs less than one for each
        self._asleep: asyncio.Future[None] | None = None  # what it waits for while there is nothing to answer
        self._stuck_since: float | None = None
        self._flows: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a head."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # a server's go both ways
        if not self._hub.add(self):
            self._refuse("there are too many connections", "too_many_connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        del exc
        self._ended = True
        self._hub.connections.discard(self)
        self._hub.busy.discard(self)
        self._rouse()
        self.resume_writing()
        for call in self._calls:
            call.leave()

    def data_received(self, data: bytes) -> None:
        """Read; what is not complete by now has a deadline, and a head a bound."""
        if self._ended or self._deaf:
            return
        self._bytes += len(data)
        self._large = len(data) > HEAD_BYTES
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._malformed()
        if self._bytes and not self._ended:
            self._incomplete()

    def pause_writing(self) -> None:
        """The client takes nothing."""
        self._stuck_since = self._hub.loop.time()

    def resume_writing(self) -> None:
        """It does again."""
        self._stuck_since = None
        if self._flows is not None and not self._flows.done():
            self._flows.set_result(None)
        self._flows = None

    def on_message_begin(self) -> None:
        """Another request."""
        self._bytes = self._bytes or 1  # it may stand behind the end of the last one
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        """A piece of what is asked for."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes after a body is none of our business."""
        if self._coming is None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there: who may not ask is told so before the body has come."""
        parser = self._parser
        version = parser.get_http_version()
        if version not in VERSIONS:
            raise ValueError
        if (self._large or self._bytes > HEAD_BYTES) and head.size(self._url, self._headers) > HEAD_BYTES:
            self._too_long()
            raise ValueError
        if not self._url.startswith(b"/"):
            self._headers = head.absolute(self._url, self._headers)
        old = version == "1.0"
        call = self._coming = Call(
            self,
            parser.get_method().decode("ascii"),
            head.path(self._url),
            self._headers,
            keep=parser.should_keep_alive() and not old,
            old=old,
        )
        self._waits = ""
        calls = self._calls
        if not calls:
            calls.append(call)
            self._begin(call)
        elif calls[-1].keep and len(calls) < PIPELINED:  # it is sent before the answer to the last one
            calls.append(call)
            if len(calls) > AHEAD:
                self._transport.pause_reading()
        else:
            calls[-1].keep = False
            call.done = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._coming.feed(data)  # type: ignore[union-attr]  # its head came before it

    def on_message_complete(self) -> None:
        """The next thing to come is a head."""
        self._coming.end()  # type: ignore[union-attr]
        self._coming = None
        self._bytes = 0
        self._waits = ""

    @property
    def fixed(self) -> bytes:
        """Lines that stand in every answer."""
        return self._hub.date

    @property
    def ends(self) -> bool:
        """Whether it takes no other request after this one."""
        return self._hub.draining

    def send(self, data: bytes) -> None:
        """Write, if anybody is there."""
        if not self._ended:
            self._hub.outbox.put(self._transport, data, len(self._hub.busy))

    async def drained(self) -> None:
        """Wait until the client takes what was written."""
        if self._stuck_since is not None and not self._ended:
            if self._flows is None:
                self._flows = self._hub.loop.create_future()
            await self._flows

    def answered(self) -> None:
        """The first request is answered; the next one is begun, or waited for."""
        call = self._calls.popleft()
        self._hub.busy.discard(self)
        if self._ended:
            return
        if not call.keep or self._hub.draining:
            self.close()
        elif self._calls:
            self._begin(self._calls[0])
            if len(self._calls) <= AHEAD:
                self._transport.resume_reading()
        elif not self._bytes:  # else the next one comes already, and has its time
            self._wait("idle", IDLE_S)

    def holds(self, size: int) -> bool:
        """So many bytes more of bodies are kept, or fewer; whether that is not too much."""
        self._hub.held += size
        return self._hub.held <= BODIES

    def look(self, now: float) -> None:
        """Do what is due."""
        if self._stuck_since is not None and now - self._stuck_since > STALLED_S:
            self._ended = True
            self._transport.abort()
        elif not self._waits or now < self._due:
            return
        elif self._calls and (self._waits == "head" or self._calls[0].status):
            return  # an answer is on its way, into which no other may be written
        elif self._bytes and self._waits != "idle":
            seconds = HEAD_S if self._waits == "head" else BODY_S
            about = f"the {self._waits} of the request took longer than {seconds:.0f} s"
            if self._coming is not None and self._coming in self._calls:
                self._waits = ""
                self._coming.fail(InputError(about, code="body_too_slow"))  # its answer says so, in its turn
            else:
                self._refuse(about, f"{self._waits}_too_slow")
        else:
            self.close()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return not self._calls

    def drain(self) -> None:
        """Close, unless a request is being answered: then afterwards."""
        if not self._calls:
            self.close()

    def close(self) -> None:
        """Close, after what was written."""
        self._ended = True
        self._rouse()
        self._hub.outbox.flush()
        self._transport.close()

    def _begin(self, call: Call) -> None:
        """Have *call* answered, which is the first one now."""
        self._hub.busy.add(self)
        if self.task is None:
            self.task = self._hub.run(self._work())
        else:
            self._rouse()
        call.task = self.task

    def _rouse(self) -> None:
        if self._asleep is not None and not self._asleep.done():
            self._asleep.set_result(None)
        self._asleep = None

    async def _work(self) -> None:
        """Answer what comes, one after the other."""
        while not self._ended:
            if not self._calls:
                self._asleep = self._hub.loop.create_future()
                await self._asleep
                continue
            call = self._calls[0]
            whole = False
            try:
                await self._hub.answer(call)
                whole = call.done
            finally:
                if not whole:  # what has begun cannot be answered otherwise
                    self.close()
            if self._calls:  # sent in advance: others come first, and the next answer when this one is taken
                await asyncio.sleep(0)
                await self.drained()

    def _wait(self, what: Part | Literal["idle"], seconds: float) -> None:
        self._waits = what
        self._due = self._hub.loop.time() + seconds

    def _incomplete(self) -> None:
        coming = self._coming
        if coming is None:
            if self._bytes > HEAD_BYTES:
                self._too_long()
            elif self._waits != "head":
                self._wait("head", HEAD_S)
        else:
            if self._bytes - coming.size > HEAD_BYTES + MAX_BODY:  # borders of chunks, and what follows the last
                coming.fail(too_large())
            if self._waits != "body":
                self._wait("body", BODY_S)

    def _malformed(self) -> None:
        if self._coming is not None and not self._coming.done:
            self._coming.fail(InputError("the body of the request is not HTTP", code="invalid_request"))
            self._coming.keep = False
        elif not (self._ended or self._close_after()):
            self._refuse("Invalid HTTP request received.", "invalid_request")

    def _too_long(self) -> None:
        if not self._close_after():
            self._refuse(f"the head of the request has more than {HEAD_BYTES} bytes", "head_too_large")

    def _decline(self, rest: bytes) -> None:
        """Take a request that offers to speak something else for one that does not: *rest* is its body.

        Java's client, for one, offers HTTP/2 with whatever it posts.
        """
        call = self._calls[-1] if self._calls else None
        if call is None or call.headers is not self._headers or call.method == "CONNECT":
            self._close_after()
            return
        self._calls.pop()
        self._parser = self._made()
        self._bytes = 0
        self.data_received(head.without_offer(call, self._url) + rest)

    def _made(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # it is closed after the answer
        return parser

    def _close_after(self) -> bool:
        """Listen to nothing more, and close after the last request; false where there is none."""
        self._deaf = True
        if not self._calls:
            return False
        self._calls[-1].keep = False
        return True

    def _refuse(self, message: str, code: str) -> None:
        found = answer.error(InputError(message, code=code), close=True)
        call = Call(self, "", "", [], keep=False, old=False)
        self._calls.appendleft(call)
        call.whole(*found)
        self._hub.refused(found.status, code)
