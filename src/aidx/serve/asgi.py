"""One request over ASGI: its body, its client, and what was sent back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from aidx.errors import InputError
from aidx.serve.answer import Answer
from aidx.serve.strict import MAX_BODY

Message = dict[str, Any]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOK_S = 0.05  # most answers are there before it is worth while to watch for a client that leaves
STALLED_S = 60.0  # a client that takes nothing for so long does not hold its cells any longer


class Reply:
    """The way back to the client; knows what has begun, and since when the client takes nothing.

    *extra* headers stand in whatever is answered.
    """

    def __init__(self, send: Send, clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self.status = 0
        self.stuck_since: float | None = None
        self.extra: list[tuple[bytes, bytes]] = []

    @property
    def started(self) -> bool:
        """Whether the answer has begun."""
        return self.status != 0

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Status and headers, *extra* ones with them."""
        self.status = status
        if self.extra:
            headers = [*headers, *self.extra]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """A piece of the body; waits while the client is slow."""
        self.stuck_since = self._clock()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self.stuck_since = None

    async def whole(self, answer: Answer) -> None:
        """All of it."""
        await self.begin(answer.status, answer.headers)
        await self.write(answer.body, more=False)


class UntilGone:
    """Runs its block until the client leaves, or stops reading; then the block is cancelled, and that is all."""

    def __init__(self, receive: Receive, reply: Reply) -> None:
        self._receive = receive
        self._reply = reply
        self.gone = False
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a request is handled in a task"
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_S, self._begin)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if not self.gone or kind is not asyncio.CancelledError:
            return False
        return self._task.uncancel() == 0

    def _begin(self) -> None:
        self._watch = self._loop.create_task(self._look())
        self._timer = self._loop.call_later(STALLED_S / 4, self._progress)

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _progress(self) -> None:
        since = self._reply.stuck_since
        if since is not None and self._loop.time() - since > STALLED_S:
            self._leave()
        else:
            self._timer = self._loop.call_later(STALLED_S / 4, self._progress)

    def _leave(self) -> None:
        if not self.gone:
            self.gone = True
            self._task.cancel()


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The request's body; raises ``InputError`` when it is too large, encoded, or ends too early."""
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value != b"identity":
            raise InputError("an encoded body is not read", code="unsupported_encoding", hint="Send plain JSON.")
        if name == b"content-length" and int(value) > MAX_BODY:
            raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InputError("the body did not come whole", code="body_incomplete")
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body"):
            return part if len(parts) == 1 else b"".join(parts)


def _too_large() -> InputError:
    return InputError(f"the body has more than {MAX_BODY} bytes", code="body_too_large")
