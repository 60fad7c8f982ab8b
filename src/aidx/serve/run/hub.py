"""All connections of a listener: their clock, their writes, and how they end."""

import asyncio
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, Protocol

from aidx.outbox import Outbox
from aidx.serve.caller import Caller

CONNECTIONS = 512  # at a time; half of the files that a process may usually open
LAST_WORD_S = 0.2  # for what was cancelled
LOOK_S = 0.25  # one look at the clock for all connections: a timer for each wait costs more than the wait


class Guest(Protocol):
    """A connection as its hub sees it; *task* is what answers it."""

    task: asyncio.Task[None] | None

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        ...

    def look(self, now: float) -> None:
        """Do what is due."""
        ...

    def drain(self) -> None:
        """Close, unless a request is being answered: then afterwards."""
        ...


class Hub:
    """All connections of a listener; each has a task, in which *answer* runs for one request after the other.

    *refused* is told status and code of what never became a request.
    """

    def __init__(
        self,
        answer: Callable[[Caller], Coroutine[Any, Any, None]],
        refused: Callable[[int, str], object] = lambda *_: None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.connections: set[Guest] = set()
        self.busy: set[Guest] = set()  # those whose requests are being answered
        self.outbox = Outbox(self.loop.call_soon)
        self.draining = False
        self.date = b""
        self.held = 0  # bytes of bodies
        self.answer = answer
        self.refused = refused
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Guest) -> bool:
        """Look after *connection* from now on; whether there was room for it."""
        self.connections.add(connection)
        if self._timer is None:
            self._look()
        return len(self.connections) <= CONNECTIONS

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task for *work*, which ends with its connection."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, seconds: float, server: asyncio.Server) -> None:
        """Wait so long for what is being answered, then close *server* and cancel what is left.

        Until then who comes is heard, and told that it is over. An engine may need a moment to let go; who waits
        for that is answered when the engine is ended.
        """
        self.draining = True
        busy = [connection.task for connection in self.connections if connection.task and not connection.idle]
        if busy:
            await asyncio.wait(busy, timeout=seconds)
        server.close()
        for connection in tuple(self.connections):
            connection.drain()
        late = tuple(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=LAST_WORD_S)
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = self.loop.time()
        self.date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        for connection in tuple(self.connections):
            connection.look(now)
        self._timer = self.loop.call_later(LOOK_S, self._look) if self.connections else None
