"""How the roles of a deployment fit together.

A role that names its context keeps it. The others first get what they need to be of use; what is left then gives all
of them the same longer context, as far as each model was trained. Roles that are equal share one process.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from aidx.budget.ledger import Ledger
from aidx.budget.settings import CELL_PAD, Settings
from aidx.errors import InputError
from aidx.plan.deployment.members import Arrangement, Member, Process, kv_bytes, left
from aidx.plan.devices import Device, Machine
from aidx.plan.engines import find
from aidx.plan.make import seat
from aidx.plan.need import OFFLOAD_CTX, Need
from aidx.plan.place import place, training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.spread import fitted

Steps = Generator[Probe, Answer, Arrangement]
Placed = tuple[Process, Ledger]


def arrange(members: Sequence[Member], machine: Machine) -> Steps:
    """*members* on *machine*, each context as long as all of them hold together; it need not hold."""
    found = yield from settled(members, machine)
    return (yield from grown(found))


def settled(members: Sequence[Member], machine: Machine) -> Steps:
    """*members* at the contexts that they name, or at the least that is of use."""
    processes = _processes(members, machine)
    order = sorted(processes, key=lambda each: (each.chooses_layers, each.rank))  # a split takes what the others left
    placed: dict[int, Placed] = {}
    for process in order:
        others = [ledger for _, ledger in placed.values()]
        desk = process.seat.on(left(process.seat.desk.machine, others))
        with _of(process.members[0]):
            settings = yield from place(desk, replace(process.seat.need, ctx_size=process.settings.ctx_size))
        ready = yield from _bounded(replace(process, settings=settings))
        placed[id(process)] = ready, (yield from ready.seat.desk.best(ready.settings))
    pairs = [placed[id(process)] for process in processes]
    return Arrangement(_common(machine, processes), tuple(p for p, _ in pairs), tuple(ledger for _, ledger in pairs))


def _bounded(process: Process) -> Generator[Probe, Answer, Process]:
    """*process* with no more context than its cache may have, where the context is left to the plan."""
    if process.max_kv is None or isinstance(process.seat.need.ctx_size, int):
        return process
    most = yield from longest_kv(process)
    return replace(process, settings=process.at(min(process.settings.ctx_size, max(most, CELL_PAD))))


def grown(found: Arrangement) -> Steps:
    """*found* with the longest common context for the roles that name none: those on the GPU first."""
    for on_gpu in (True, False):
        group = [each for each in found.processes if each.grows and each.gpus is on_gpu]
        if group and found.holds:
            found = yield from _filled(found, group)
    return found


def _filled(found: Arrangement, group: list[Process]) -> Steps:
    """Memory grows with the context, so that the longest one is found by halving."""
    caps: dict[str, int] = {}
    for process in group:
        caps[process.role] = yield from longest_kv(process)
    holds, fails = found, max(caps.values()) // CELL_PAD * CELL_PAD + CELL_PAD
    low = min(process.settings.ctx_size for process in group) // CELL_PAD * CELL_PAD
    while fails - low > CELL_PAD:
        middle = (low + fails) // 2 // CELL_PAD * CELL_PAD
        tried = yield from _at(found, caps, middle)
        if tried.holds:
            holds, low = tried, middle
        else:
            fails = middle
    return holds


def _at(found: Arrangement, caps: dict[str, int], tokens: int) -> Steps:
    processes: tuple[Process, ...] = ()
    ledgers: tuple[Ledger, ...] = ()
    for process, ledger in zip(found.processes, found.ledgers, strict=True):
        if process.role in caps:
            wanted = max(min(tokens, caps[process.role]), process.settings.ctx_size)
            desk, settings = process.seat.desk, process.at(wanted)
            if not found.shared:
                settings = yield from fitted(desk, settings, desk.best)
            processes += (replace(process, settings=settings),)
            ledgers += ((yield from desk.best(settings)),)
        else:
            processes += (process,)
            ledgers += (ledger,)
    return Arrangement(found.machine, processes, ledgers)


def longest_kv(process: Process) -> Generator[Probe, Answer, int]:
    """The longest context whose cache is not larger than it may be, at most what the model was trained for."""
    trained = training_length(process.seat.desk) * (1 if process.settings.kv_unified else process.settings.parallel)
    if process.max_kv is None:
        return trained
    low, high = 0, trained // CELL_PAD * CELL_PAD + CELL_PAD
    while high - low > CELL_PAD:
        middle = (low + high) // 2 // CELL_PAD * CELL_PAD
        ledger = yield from process.seat.desk.best(process.at(middle))
        low, high = (middle, high) if kv_bytes(ledger) <= process.max_kv else (low, middle)
    return low


def groups(members: Sequence[Member]) -> list[tuple[Member, ...]]:
    """The members that share a process, for each process, in the order of the roles."""
    found: list[list[Member]] = []
    for member in members:
        with _of(member):
            member.need.checked()
        same = next((group for group in found if _equal(group[0], member)), None)
        if same is None:
            found.append([member])
        else:
            same.append(member)
    return [tuple(group) for group in found]


def _processes(members: Sequence[Member], machine: Machine) -> tuple[Process, ...]:
    """One process for each group of equal members."""
    shares = groups(members)
    alone = sum(not group[0].on_host for group in shares) <= 1
    return tuple(_process(group, machine, alone=alone) for group in shares)


@contextmanager
def _of(member: Member) -> Iterator[None]:
    """Say whose settings they are that no engine takes."""
    try:
        yield
    except InputError as wrong:
        raise InputError(f"roles.{member.role}: {wrong}", hint=wrong.hint) from None


def _equal(one: Member, other: Member) -> bool:
    embeds = (one.role == "embedder") is (other.role == "embedder")  # a process that makes vectors answers nothing else
    return embeds and one.on_host == other.on_host and _bare(one.need) == _bare(other.need) and one.model == other.model


def _bare(need: Need) -> Need:
    """What decides about a process; what was given matters only to an engine with settings of its own."""
    rules = find(need.engine)
    context = None if need.ctx_size == "max" else need.ctx_size  # either way as long as it can be
    given = need.given if rules.variables else frozenset()
    return replace(need.checked(), engine=rules.name, ctx_size=context, given=given, notes=())


def _process(members: tuple[Member, ...], machine: Machine, *, alone: bool) -> Process:
    first = members[0]
    where = replace(machine, gpus=()) if first.on_host else machine
    need = first.need
    if where.gpus and not alone and not need.chose("n_gpu_layers"):
        need = replace(need, n_gpu_layers="all")  # where a split ends would depend on what the others left
    if first.on_host and need.n_gpu_layers != "auto":
        need = replace(need, n_gpu_layers="auto")
    with _of(first):
        here = seat(first.model, need, where)
    asked = here.need.ctx_size
    least = max(min(OFFLOAD_CTX, training_length(here.desk)), *(member.at_least for member in members))
    return Process(members, here, Settings(ctx_size=asked if isinstance(asked, int) else least))


def _common(machine: Machine, processes: Sequence[Process]) -> Machine:
    """*machine* with the most that any engine keeps back of each device."""

    def kept(device: Device) -> Device:
        seen = [other for each in processes for other in each.seat.desk.machine.devices if other.name == device.name]
        most = max(seen, key=lambda other: other.reserve, default=device)
        return replace(device, reserve=most.reserve, reserve_why=most.reserve_why)

    return replace(machine, host=kept(machine.host), gpus=tuple(kept(gpu) for gpu in machine.gpus))
