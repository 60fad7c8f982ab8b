"""Counts by running: for engines that say of an answer how long its prompt was, and before that only estimate."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aidx.errors import EngineError, InputError
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Chat, Enforced, Patience
from aidx.ports.engine import Allocated, Deployment

BYTES = 3.0  # of a token, before one was counted
LEAST = 1 << 16  # prompts whose count is remembered
NOT_SENT = "ignore_eos"  # of llama.cpp and vLLM alone


class RunCounted:
    """*inner*, whose prompts are counted by letting it answer them with one token.

    What it refuses has more than *longest* tokens; how many more is guessed from the others.
    """

    precision: Precision = "exact"

    def __init__(self, inner: Chat, longest: int) -> None:
        self._inner, self._longest = inner, longest
        self._known: dict[str, int] = {}
        self._each = BYTES  # of a token, in the prompt that was counted last

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """Tokens of the prompt, as the engine accounts for them afterwards."""
        asked = json.loads(body)
        key = json.dumps(asked["messages"])
        if key not in self._known:
            if len(self._known) >= LEAST:
                self._known.clear()
            found = await self._run({"messages": asked["messages"], "max_tokens": 1}, kind)
            if found:
                self._each = len(key) / found
            self._known[key] = found or max(self._longest + 1, round(len(key) / self._each))
        return self._known[key]

    async def _run(self, asked: dict[str, object], kind: Kind) -> int:
        """The tokens; 0 for too many."""
        pieces = self._inner.answer(json.dumps(asked).encode(), slot=0, kind=kind)
        try:
            async with aclosing(pieces):
                whole = b"".join([piece async for piece in pieces])
        except InputError as refused:
            if refused.code == "context_length_exceeded":
                return 0
            raise
        try:
            return int(json.loads(whole)["usage"]["prompt_tokens"])
        except (ValueError, KeyError, TypeError):
            raise EngineError("the engine does not say how many tokens a prompt had") from None

    def least(self, size: int) -> int:
        """As the engine's own."""
        return self._inner.least(size)

    async def takes_tools(self) -> bool:
        """As the engine's own."""
        return await self._inner.takes_tools()

    def enforces(self) -> Enforced:
        """As the engine's own."""
        return self._inner.enforces()

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """As the engine's own, without what only some engines take."""
        asked = json.loads(body)
        asked.pop(NOT_SENT, None)
        pieces = self._inner.answer(json.dumps(asked).encode(), slot=slot, kind=kind, patience=patience)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def close(self) -> None:
        """As the engine's own."""
        self._inner.close()


class CountedDeployment:
    """*inner*, with a chat that counts: its own where it does, else by running."""

    def __init__(self, inner: Deployment, longest: int) -> None:
        self._inner, self._longest = inner, longest

    @property
    def pid(self) -> int | None:
        """As the engine's own."""
        return self._inner.pid

    def chat(self) -> Chat:
        """One that counts."""
        found = self._inner.chat()
        return found if found.precision == "exact" else RunCounted(found, self._longest)

    def allocated(self) -> Allocated:
        """As the engine's own."""
        return self._inner.allocated()

    async def ended(self) -> str:
        """As the engine's own."""
        return await self._inner.ended()

    def stop(self) -> None:
        """As the engine's own."""
        self._inner.stop()
