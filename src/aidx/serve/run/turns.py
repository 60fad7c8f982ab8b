"""Models that take turns: loaded when they are asked for, unloaded when the ledger has no room for another."""

import asyncio
from math import ceil
from typing import Self

from msgspec import Struct, field

from aidx.errors import AidxError, EngineError
from aidx.gate.drive import Gate, LoadingError
from aidx.ports.engine import Deployment
from aidx.serve.evict import Resident, Turn, leaving, together
from aidx.serve.lifecycle import Restarts
from aidx.serve.run.keep import Keepers, Process, Say, in_thread
from aidx.serve.run.watch import over


class Wish(Struct, eq=False):
    """A model that is asked for, and by how many."""

    loaded: asyncio.Future[None]
    waiting: int = 0


class Place(Struct, eq=False):
    """A process and its gate. *promised* are those who waited for it and have not come through yet."""

    process: Process
    turn: Turn
    gate: Gate
    restarts: Restarts = field(default_factory=Restarts)
    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    deployment: Deployment | None = None
    watch: asyncio.Task[None] | None = None
    used: float = 0.0
    not_before: float = 0.0
    promised: int = 0
    paused: bool = False
    died: bool = False

    @property
    def idle(self) -> bool:
        """Whether it can go."""
        return self.gate.pool.idle and not self.promised


class Turns:
    """Loads one model at a time.

    Requests for a model that is not loaded wait for it. Whoever has to go first serves those it has taken on.
    """

    def __init__(self, keepers: Keepers, tell: Say) -> None:
        self._keepers = keepers
        self._tell = tell
        self._places: list[Place] = []
        self._wishes: dict[Place, Wish] = {}
        self._asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*map(self._stop, self._places))

    def add(self, process: Process, turn: Turn, gate: Gate) -> None:
        """Let *process* take turns with the others; those added first are loaded first."""
        place = Place(process, turn, gate)
        gate.pool.wake = lambda: self._wake(place)
        gate.pool.quiet = place.quiet.set
        self._places.append(place)
        self._keepers.know(process, gate)

    async def begin(self) -> None:
        """Load those that hold together; raises as their start does."""
        if not self._places:
            return
        room = self._places[0].turn.room
        first = together([(place.process.role, place.turn.takes) for place in self._places], room)
        for place in self._places:
            if place.process.role in first:
                await self._start(place)
        self._task = self._loop.create_task(self._run())

    async def _wake(self, place: Place) -> None:
        place.used = self._loop.time()
        if place.deployment is not None and not place.paused:
            return
        wish = self._wishes.setdefault(place, Wish(self._loop.create_future()))
        wish.waiting += 1
        self._asked.set()
        try:
            await asyncio.shield(wish.loaded)
        finally:
            if not wish.loaded.done():
                wish.waiting -= 1
            elif wish.loaded.exception() is None:
                place.promised -= 1
                place.quiet.set()

    async def _run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            while self._wishes:
                place, wish = next(iter(self._wishes.items()))
                await self._grant(place, wish)

    async def _grant(self, place: Place, wish: Wish) -> None:
        try:
            if wish.waiting:  # they may all have left
                await self._make_room(place)
                await self._start(place)
        except AidxError as error:
            self._end(place, wish).set_exception(error)
            wish.loaded.exception()  # nobody may be left to look at it
        else:
            place.promised += wish.waiting
            self._end(place, wish).set_result(None)

    def _end(self, place: Place, wish: Wish) -> asyncio.Future[None]:
        del self._wishes[place]
        return wish.loaded

    async def _make_room(self, place: Place) -> None:
        loaded = {other.process.role: other for other in self._places if other.deployment is not None}
        residents = [Resident(name, other.turn.takes, other.used) for name, other in loaded.items()]
        for name in leaving(place.turn.takes, residents, place.turn.room):
            self._tell(f"aidx: {name} makes room for {place.process.role}")
            await self._unload(loaded[name])

    async def _unload(self, place: Place) -> None:
        place.paused = True
        try:
            while not place.idle:
                place.quiet.clear()
                await place.quiet.wait()
            await self._stop(place)
        finally:
            place.paused = False

    async def _stop(self, place: Place) -> None:
        deployment, watch = place.deployment, place.watch
        place.deployment = place.watch = None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        place.gate.detach()
        if deployment is not None:
            await in_thread(deployment.stop)

    async def _start(self, place: Place) -> None:
        if place.deployment is not None:
            return
        if (wait := place.not_before - self._loop.time()) > 0:
            raise LoadingError(max(1, ceil(wait)), place.gate.pool.why)
        try:
            place.deployment = await in_thread(place.process.start)
        except EngineError as error:
            place.gate.pool.why = str(error)
            place.not_before = self._loop.time() + place.restarts.delay(self._loop.time())
            raise
        if place.died:
            self._keepers.restarted(place.process.role)
            place.died = False
        place.restarts.began(ours=place.deployment.pid is not None)
        place.gate.attach(place.deployment.chat(), place.deployment.allocated())
        place.watch = self._loop.create_task(self._watched(place, place.deployment))

    async def _watched(self, place: Place, deployment: Deployment) -> None:
        """Note that the engine may not go on; who asks next has it loaded again."""
        why = await over(deployment, place.gate, place.process.memory)
        place.deployment = place.watch = None
        place.gate.detach()
        place.gate.pool.why = why
        place.not_before = self._loop.time() + place.restarts.delay(self._loop.time())
        place.died = True
        self._tell(f"aidx: {place.process.role}: {why}; loaded again when it is asked for")
        await in_thread(deployment.stop)
