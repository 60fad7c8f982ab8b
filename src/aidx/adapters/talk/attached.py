"""An engine that runs already: not ours to start or to end, but read back and watched."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from aidx.budget.witness import Occupied
from aidx.errors import EngineError
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Chat, Enforced, Patience
from aidx.ports.engine import Allocated

WATCH_S = 5.0  # between two looks at whether it is still there
MISSED = 2  # looks in a row that nobody answered, after which it is gone

Look = Callable[[], Awaitable[object]]


class AttachedDeployment:
    """An engine at *where*; *talk* makes a chat for the running event loop.

    *look* raises ``EngineError`` where it is gone; ``None`` for a service that is not ours to watch.
    """

    pid: int | None = None

    def __init__(self, where: str, allocated: Allocated, talk: Callable[[], Chat], look: Look | None = None) -> None:
        self.end = ""
        self.where = where
        self._allocated = allocated
        self._talk = talk
        self._look = look
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def chat(self) -> "AttachedChat":
        """Connections to it, for the running event loop."""
        return AttachedChat(self._talk(), self)

    def allocated(self) -> Allocated:
        """What it said when it was attached to."""
        return self._allocated

    async def ended(self) -> str:
        """Wait until it is left, or does not answer any more."""
        left = asyncio.Event()
        self._waiting.append((asyncio.get_running_loop(), left))
        missed = 0
        while not self.end:
            try:
                async with asyncio.timeout(WATCH_S):
                    await left.wait()
            except TimeoutError:
                missed = 0 if await self._answers() else missed + 1
                if missed >= MISSED:
                    self._leave(f"nothing answers at {self.where}")
        return self.end

    def stop(self) -> None:
        """Leave it: it goes on without us."""
        self._leave(f"{self.where} was left")

    def _leave(self, why: str) -> None:
        self.end = self.end or why
        waiting, self._waiting = self._waiting, []
        for loop, left in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(left.set)

    async def _answers(self) -> bool:
        if self._look is None:
            return True
        try:
            await self._look()
        except EngineError:
            return False
        return True


class AttachedChat:
    """A chat of an engine that can be left: afterwards it answers nobody."""

    def __init__(self, inner: Chat, of: AttachedDeployment) -> None:
        self._inner = inner
        self._of = of

    @property
    def precision(self) -> Precision:
        """As the engine's own."""
        return self._inner.precision

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """As the engine's own."""
        self._check()
        return await self._inner.count(body, kind=kind)

    def least(self, size: int) -> int:
        """As the engine's own."""
        return self._inner.least(size)

    def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """As the engine's own."""
        if self._of.end:
            return self._nothing()
        return self._inner.answer(body, slot=slot, kind=kind, patience=patience)

    async def takes_tools(self) -> bool:
        """As the engine's own."""
        self._check()
        return await self._inner.takes_tools()

    def enforces(self) -> Enforced:
        """As the engine's own."""
        return self._inner.enforces()

    async def cells(self) -> int:
        """As the engine's own, where it tells."""
        if not isinstance(self._inner, Occupied):
            raise EngineError(f"the engine at {self._of.where} does not say what its slots hold")
        return await self._inner.cells()

    def close(self) -> None:
        """Drop the connections."""
        self._inner.close()

    def _check(self) -> None:
        if self._of.end:
            raise EngineError(self._of.end, code="engine_failed")

    async def _nothing(self) -> AsyncGenerator[bytes, None]:
        self._check()
        yield b""
