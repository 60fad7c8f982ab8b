"""Chat over OpenAI's interface, which most services and engines have."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from aidx.adapters.http import Pool, Streamed
from aidx.adapters.talk.counted import Roughly, Way
from aidx.adapters.talk.events import EventReader
from aidx.adapters.talk.refusal import refused
from aidx.errors import EngineError
from aidx.gate.estimate import estimate
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Enforced, Patience

ANSWER: Mapping[Kind, str] = {"chat": "/chat/completions", "text": "/completions", "embedding": "/embeddings"}
DONE = b"[DONE]"

Shape = Callable[[dict[str, Any], Kind], dict[str, Any]]


class OpenAIChat:
    """Requests to *pool*, whose prefix is the service's base; *who* names it in errors.

    *model* is written into each request, and *shape* makes it the service's own; prompts are counted *by* a way.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        model: str,
        who: str,
        shape: Shape = lambda request, _: request,
        enforced: Enforced = "none",
        by: Way | None = None,
    ) -> None:
        self._pool = pool
        self._model = model
        self._who = who
        self._shape = shape
        self._enforced = enforced
        self._by = by or Roughly()

    @property
    def precision(self) -> Precision:
        """As its chats are counted."""
        return self._by.precision

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """As it was started to; of what is no chat an estimate."""
        return await self._by.count(body) if kind == "chat" else estimate(body, kind)

    def least(self, size: int) -> int:
        """Nothing is known of its tokens."""
        del size
        return 0

    async def takes_tools(self) -> bool:
        """The service says so itself, of each model, when it is asked."""
        return True

    def enforces(self) -> Enforced:
        """What was seen."""
        return self._enforced

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """The service's bytes; of a stream its events, with the ends that ours have."""
        del slot  # how many it answers at a time is its own affair
        asked = json.loads(body)
        sent = json.dumps(self._shape({"model": self._model, **asked}, kind)).encode()
        async with self._pool.stream("POST", ANSWER[kind], sent, patience=patience) as reply:
            if reply.status != 200:
                wait = reply.headers.get("retry-after", "")
                raise refused(reply.status, await reply.whole(), who=self._who, retry_after=wait)
            pieces = self._events(reply) if asked.get("stream") else reply.chunks()
            async for piece in pieces:
                yield piece

    async def _events(self, reply: Streamed) -> AsyncGenerator[bytes, None]:
        """Each event on its own line, comments left out; one without an end of the stream is broken off."""
        reader = EventReader()
        async for piece in reply.chunks():
            for event in reader.feed(piece):
                yield b"data: %b\n\n" % event.data
                if event.data == DONE:
                    return
        raise EngineError(f"the answer of {self._who} broke off", code="engine_failed")

    def close(self) -> None:
        """Drop the connections."""
        self._pool.close()
        self._by.close()
