"""Keeps the engines running: starts each, and again when it dies or hangs; leaving the block stops them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self, TypeVar

from msgspec import Struct

from aidx.errors import AidxError
from aidx.gate.admit import Limits
from aidx.gate.count import Own
from aidx.gate.drive import Gate
from aidx.ports.engine import Deployment
from aidx.serve.evict import Turn
from aidx.serve.lifecycle import Restarts
from aidx.serve.memory import Memory
from aidx.serve.run.watch import over

Say = Callable[[str], None]
Made = TypeVar("Made")


class Process(Struct, frozen=True, eq=False):
    """An engine to keep running: *start* loads its model and blocks until it answers.

    *role* is the one under which it stands in the ledger; others may share it.
    *own* reads what we need to count the model's tokens, ``None`` where only the engine can; it is called while
    the model loads. *cell_bytes* is what one cell of its cache takes. One that *leaves* is on another machine: it
    may be missing when all others are there. With a *turn* it is
    loaded when it is asked for, and makes room for others. Beyond its *memory* it is ended.
    """

    role: str
    start: Callable[[], Deployment]
    cell_bytes: int = 0
    own: Callable[[], Own | None] | None = None
    leaves: bool = False
    turn: Turn | None = None
    memory: Memory | None = None


class Offer(Struct, frozen=True):
    """A role to serve: the name of its model, the limits of its requests, and the process that answers for it.

    Roles with the same process share its cells and its queue. With *embeds* the model makes vectors.
    """

    role: str
    model: str
    limits: Limits
    process: Process
    embeds: bool = False


class Keepers:
    """One task an engine. *restarted* is told the role whenever an engine has been started again."""

    def __init__(self, tell: Say, restarted: Callable[[str], object]) -> None:
        self._tell = tell
        self.restarted = restarted
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def keep(self, process: Process, gate: Gate) -> asyncio.Future[None]:
        """Start *process*; the future is done when it answers, or fails as the start did."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.get_running_loop().create_task(self._run(process, gate, ready)))
        return ready

    async def _run(self, process: Process, gate: Gate, ready: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        restarts = Restarts(ours=not process.leaves)
        self.know(process, gate)
        took, told, started = 1.0, "", False
        while True:
            began = loop.time()
            try:
                deployment = await in_thread(process.start)
            except AidxError as error:
                if not (ready.done() or process.leaves):
                    ready.set_exception(error)
                    return
                why = str(error)
            else:
                took, told = loop.time() - began, ""
                if started:
                    self.restarted(process.role)
                started = True
                restarts.began(ours=deployment.pid is not None)
                if not ready.done():
                    ready.set_result(None)
                why = await _watch(deployment, gate, process.memory)
            delay = restarts.delay(loop.time())
            gate.expect(delay + took, why)
            again = f"starting it again in {delay:.1f} s" if restarts.ours else "asking again until it answers"
            if restarts.ours or why != told:  # of an engine elsewhere once is enough
                self._tell(f"aidx: {process.role}: {why}; {again}")
            told = why
            await asyncio.sleep(delay)

    def know(self, process: Process, gate: Gate) -> None:
        """Read in the background what it takes to count the model's tokens here."""
        if process.own is not None:
            self._tasks.append(asyncio.get_running_loop().create_task(self._know(process.role, process.own, gate)))

    async def _know(self, role: str, read: Callable[[], Own | None], gate: Gate) -> None:
        """Read what it takes to count here; without it the engine counts, as it did until now."""
        try:
            gate.counter.know(await in_thread(read))
        except AidxError as error:
            self._tell(f"aidx: {role}: the engine counts all tokens: {error}")


async def _watch(deployment: Deployment, gate: Gate, memory: Memory | None) -> str:
    """Let requests through until the engine may not go on, and end it."""
    try:
        gate.attach(deployment.chat(), deployment.allocated())
        return await over(deployment, gate, memory)
    finally:
        gate.detach()
        await in_thread(deployment.stop)  # several engines end at the same time


async def in_thread(function: Callable[[], Made]) -> Made:
    """Run *function* in a thread that does not keep the process alive: loading a model cannot be interrupted."""
    future: Future[Made] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except AidxError as error:
            future.set_exception(error)
        finally:
            if not future.done():  # a bug: its traceback is the thread's, and nobody may wait for ever
                future.set_exception(AidxError("the start of the engine broke off"))

    threading.Thread(target=run, name="aidx-start", daemon=True).start()
    return await asyncio.shield(asyncio.wrap_future(future))
