"""Another try, for a chat whose engine was busy: an object around it, with a budget of its own.

Tries are made only before the first byte of an answer. The budget (Finagle's) keeps a service that is down from being
asked twice as often: every request earns a tenth of a retry, and each retry takes a whole one.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import uniform

from msgspec import Struct
from msgspec.structs import replace

from aidx.adapters.http import UnreachableError
from aidx.adapters.talk.refusal import BusyError
from aidx.errors import EngineError
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Chat, Enforced, Patience

TRIES = 4
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0


class RetryBudget(Struct):
    """How many tries may be made again: *saved* of at most *most*; every request earns *earned*."""

    saved: float = 3.0
    most: float = 10.0
    earned: float = 0.1

    def earn(self) -> None:
        """A request came."""
        self.saved = min(self.most, self.saved + self.earned)

    def take(self) -> bool:
        """Whether another try may be made; it is paid for then."""
        if self.saved < 1:
            return False
        self.saved -= 1
        return True


def wait(error: EngineError, tried: int, jitter: float) -> float:
    """Seconds before the next try, after *tried* ones: what the service asks for, else twice as long each time.

    *jitter* (0 to 1) spreads those who were refused at the same moment.
    """
    if isinstance(error, BusyError) and error.retry_after is not None:
        return error.retry_after
    longest = min(FIRST_WAIT_S * float(2 ** (tried - 1)), LONGEST_WAIT_S)
    return longest * (0.5 + jitter / 2)


class Retrying:
    """A chat that asks *inner* again while that is busy, within the request's patience and the *budget*."""

    def __init__(
        self,
        inner: Chat,
        budget: RetryBudget,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = lambda: uniform(0, 1),  # noqa: S311 - no secret
    ) -> None:
        self._inner = inner
        self._budget = budget
        self._pause = pause
        self._jitter = jitter

    @property
    def precision(self) -> Precision:
        """As the inner one."""
        return self._inner.precision

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """As the inner one's, of the first try that gets one."""
        tried = 0
        while True:
            tried += 1
            try:
                return await self._inner.count(body, kind=kind)
            except (BusyError, UnreachableError) as error:
                seconds = wait(error, tried, self._jitter())
                if tried >= TRIES or seconds > LONGEST_WAIT_S or not self._budget.take():
                    raise
            await self._pause(seconds)

    def least(self, size: int) -> int:
        """As the inner one."""
        return self._inner.least(size)

    async def takes_tools(self) -> bool:
        """As the inner one."""
        return await self._inner.takes_tools()

    def enforces(self) -> Enforced:
        """As the inner one."""
        return self._inner.enforces()

    def close(self) -> None:
        """Drop the connections."""
        self._inner.close()

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """The inner one's answer, of the first try that gets one; all tries together take ``patience.first_s``."""
        clock = asyncio.get_running_loop().time
        end = clock() + patience.first_s
        self._budget.earn()
        tried = 0
        while True:
            tried += 1
            begun = False
            left = replace(patience, first_s=max(end - clock(), 0.001))
            try:
                async with aclosing(self._inner.answer(body, slot=slot, kind=kind, patience=left)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except (BusyError, UnreachableError) as error:
                if begun:
                    raise
                seconds = wait(error, tried, self._jitter())
                if tried >= TRIES or clock() + seconds >= end or not self._budget.take():
                    raise
            else:
                return
            await self._pause(seconds)
