"""Starts the engine under its ceiling, loads it, looks on, and ends it; what was seen becomes a proof."""

import asyncio  # noqa: TID253 - this module is imported when something is proved, and not before
import threading
from collections.abc import Callable, Iterable
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.compare import compare
from aidx.budget.proof import Evidence, Peak, Proof, Requests, Seen, Slope, judge
from aidx.budget.settings import Settings
from aidx.budget.witness import Ceiling, Queues, Sampler
from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.drive import LoadingError, patience
from aidx.ports.chat import Chat
from aidx.ports.engine import Deployment
from aidx.stress.growth import slope
from aidx.stress.load import LEAST_SHARE, TURNS_EACH, Load, Shape, shape
from aidx.stress.run.client import Clients, Outcome, Patient
from aidx.stress.run.watch import Watch
from aidx.stress.subject import Subject

LOADING_S = 600.0  # an engine that has not loaded by then hangs, as it may where a ceiling only just holds it
KILLED = "signal 9"  # in the words of ``ports.Deployment.ended``: what a ceiling does
LONGER = "its context is longer than planned, so that its own peak was not reached"
ENDED_S = 0.2  # between a lost answer and the news of the engine's end
LOAD = Load()
Start = Callable[[Settings, tuple[str, ...]], Deployment]
See = Callable[[Callable[[], Iterable[int]]], Sampler]


class Bench(Struct, frozen=True):
    """What a proof needs of the rest of the house.

    *start* starts the planned model with settings, under a command; *see* makes a sampler of the processes that a
    function names; *ceiling* makes a limit of so many bytes or says why there is none. *tell* is handed a line about
    what is being done. *pids* are processes of an engine that runs already, and *aside* sees those of an
    endpoint before it.
    """

    start: Start
    see: See
    ceiling: Callable[[int], Ceiling | str]
    tell: Callable[[str], object] = lambda _: None
    patient: Patient = patience
    load: Load = LOAD
    pids: Callable[[], tuple[int, ...]] = tuple
    aside: Sampler | None = None


def prove(bench: Bench, subject: Subject, ceiling: int | None = None) -> Proof:
    """Run *subject* at its peak under a hard *ceiling* of bytes (``None``: the RAM that is planned).

    Raises ``EngineError`` for an engine that cannot be started for a reason that is not its memory.
    """
    seen = look(bench, subject, subject.host.planned if ceiling is None else ceiling)
    return Proof(*judge(seen), subject.plan_hash, seen)


def look(bench: Bench, subject: Subject, ceiling: int | None) -> Evidence:
    """What a run of *subject* shows, under a *ceiling* or (``None``) without one."""
    made = "none was asked for" if ceiling is None else bench.ceiling(ceiling)
    wall = None if isinstance(made, str) else made
    known = Evidence(
        subject.ledger,
        notes=subject.notes,
        ceiling=0 if ceiling is None else ceiling,
        kind="none" if wall is None else wall.kind,
        no_ceiling=made if isinstance(made, str) else "",
    )
    scene = Scene(bench, wall)
    try:
        with scene.watch:
            seen = _watched(scene, subject, known)
    finally:
        left = 0 if wall is None else len(wall.processes())
        if wall is not None:
            wall.close()
    left = 0 if seen.ended else left
    return replace(seen, left=left, timeline=tuple(scene.watch.moments), processes=_processes(scene.watch))


def _processes(watch: Watch) -> tuple[Seen, ...]:
    engine = [Seen(held.pid, held.name, held.peak) for held in watch.each.values()]
    return (*engine, *(Seen(held.pid, held.name, held.peak, aside=True) for held in watch.beside.values()))


class Scene:
    """One run: who looks on, at which processes, under which *wall*."""

    def __init__(self, bench: Bench, wall: Ceiling | None) -> None:
        self.bench = bench
        self.wall = wall
        self.pid: int | None = None
        self.watch = Watch(bench.see(self._processes), bench.aside)

    def _processes(self) -> tuple[int, ...]:
        under = () if self.wall is None else self.wall.processes()
        return (*self.bench.pids(), *under, *(() if self.pid is None else (self.pid,)))

    def started(self, settings: Settings) -> Deployment:
        """The engine with *settings*; one that hangs while it loads is ended through its ceiling."""
        if self.wall is None:
            deployment = self.bench.start(settings, ())
        else:
            alarm = threading.Timer(LOADING_S, self.wall.close)
            alarm.daemon = True
            alarm.start()
            try:
                deployment = self.bench.start(settings, self.wall.under)
            finally:
                alarm.cancel()
        self.pid = deployment.pid
        return deployment

    @property
    def held(self) -> bool:
        """Whether the system confirms the ceiling of the engine's process."""
        return self.wall is not None and self.pid is not None and self.wall.holds(self.pid)

    @property
    def kills(self) -> int:
        """Processes that the ceiling killed."""
        return 0 if self.wall is None else self.wall.kills()


def _watched(scene: Scene, subject: Subject, known: Evidence) -> Evidence:
    """Start, load, stop: whatever happens, the engine is gone afterwards."""
    bench, watch = scene.bench, scene.watch
    bench.tell("starting the engine" if scene.wall is None else f"starting the engine under a ceiling ({known.kind})")
    watch.mark("start")
    try:
        deployment = scene.started(subject.settings)
    except EngineError as error:
        watch.mark("ended while loading")
        if scene.wall is None or not (scene.kills or KILLED in str(error)):
            raise
        return replace(known, ended=str(error), kills=scene.kills, peaks=_peaks(subject, watch))
    try:
        watch.mark("loaded")
        seen = asyncio.run(_loaded(bench, subject, deployment, watch, replace(known, held=scene.held)))
        watch.mark("end of the load")
        return replace(seen, kills=scene.kills, peaks=_peaks(subject, watch))
    finally:
        deployment.stop()


def _peaks(subject: Subject, watch: Watch) -> tuple[Peak, ...]:
    """The most that was seen of each device on which something is planned."""
    host = (watch.peak if watch.seen else None,)
    return tuple(
        Peak(account.name, account.planned, host[0] if account.kind == "host" else watch.gpus.get(account.name))
        for account in subject.ledger.accounts
        if account.planned
    )


async def _loaded(bench: Bench, subject: Subject, deployment: Deployment, watch: Watch, known: Evidence) -> Evidence:
    """Everything that is sent, and what came of it."""
    allocated = deployment.allocated()
    form = shape(subject.limits, subject.gate)
    known = replace(
        known,
        rows=compare(subject.ledger, allocated.devices, resolution=allocated.resolution),
        allocated=allocated.devices,
        build=allocated.build,
    )
    if form.share < LEAST_SHARE:
        return replace(known, problem=f"a slot has {form.share} tokens, too few for a conversation")
    if form.reach < form.cells:
        known = replace(known, notes=(*known.notes, _unreachable(form)))
    death = asyncio.ensure_future(deployment.ended())
    chat = deployment.chat()
    clients = Clients(chat, subject.limits, form, bench.patient)
    try:
        found = await _sent(bench, clients, watch, known)
    except (EngineError, InputError) as error:  # counting failed, or no text could be made: the load, not the answer
        found = known if _left(clients, error) else replace(known, problem=str(error))
    finally:
        clients.close()
        ended = await end_of(death, lost=any(each.how == "lost" for each in clients.outcomes))
    return replace(
        found,
        ended=ended,
        requests=counted(clients.outcomes, chat),
        lost_because=next((each.why for each in clients.outcomes if each.how == "lost"), ""),
        cut=found.cut or any(each.how == "answered" and each.read < each.counted for each in clients.outcomes),
        tokens_per_second=_speed(clients.outcomes),
    )


async def end_of(death: "asyncio.Future[str]", *, lost: bool) -> str:
    """How the engine ended, if it did; after a lost answer the news may be on its way."""
    if lost:
        await asyncio.wait([death], timeout=ENDED_S)
    if death.done():
        return death.result()
    death.cancel()
    await asyncio.gather(death, return_exceptions=True)
    return ""


async def _sent(bench: Bench, clients: Clients, watch: Watch, known: Evidence) -> Evidence:
    """The load in its order; it ends with the first request that is lost."""
    form, text = clients.shape, bench.load.text
    if text and (tokens := await clients.longest(text)) > form.fill:
        return replace(known, unfit=_too_long(tokens, form))
    bench.tell(f"filling {form.cells:,} cells on {form.slots} slot(s)")
    occupancy = await clients.fill(text)
    watch.mark("pool filled")
    known = replace(known, occupancy=occupancy)
    if not _lost(clients):
        bench.tell(f"{form.clients} clients at once")
        await clients.crowd()
        watch.mark(f"{form.clients} clients at once")
    if not _lost(clients):
        bench.tell("one token too many")
        found = await clients.too_much()
        watch.mark("one token too many")
        known = replace(known, over_refused=found.refused, cut=found.cut, problem=LONGER if found.took else "")
    return known if _lost(clients) else replace(known, growth=await _grown(bench, clients, watch))


async def _grown(bench: Bench, clients: Clients, watch: Watch) -> Slope | None:
    """How memory grows while a conversation goes on; last, so that everything has been used once before."""
    sizes: list[int] = []

    def each(turn: int) -> None:
        sample = watch.mark(f"turn {turn}")
        sizes.append(0 if sample is None else sample.anonymous)
        if turn % TURNS_EACH == 0:
            bench.tell(f"turn {turn} of {bench.load.turns}")

    await clients.converse(100, bench.load.turns, each)
    return slope(sizes)


def _lost(clients: Clients) -> bool:
    return any(each.how == "lost" for each in clients.outcomes)


def _left(clients: Clients, error: AidxError) -> bool:
    """Whether *error* says that an endpoint, which has answered before, has lost its engine: that is a lost request."""
    gone = error.code == LoadingError.code and any(each.how == "answered" for each in clients.outcomes)
    if gone:
        clients.outcomes.append(Outcome("lost", str(error), error.code))
    return gone


def _too_long(tokens: int, form: Shape) -> str:
    return f"the expected input is {tokens:,} tokens, and a slot has room for {form.fill:,}"


def _unreachable(form: Shape) -> str:
    reach = f"{form.slots} slot(s) of at most {form.context:,} tokens, as the model was trained for"
    return f"{reach}, cannot fill {form.cells:,} cells: plan with -c {form.reach}"


def counted(outcomes: list[Outcome], chat: Chat) -> Requests:
    """How many ended how; those that waited did so where *chat* lets them, or at our own gate."""
    how = [each.how for each in outcomes]
    waited = chat.queued() if isinstance(chat, Queues) else sum(each.waited for each in outcomes)
    return Requests(how.count("answered"), waited, how.count("refused"), how.count("lost"))


def _speed(outcomes: list[Outcome]) -> float:
    """Tokens a second of one answer, as the engine says: the middle one."""
    rates = [each.reply.timing.per_second for each in outcomes if each.reply.timing is not None]
    return median(rates) if rates else 0.0
