"""Searches over settings: the longest context that holds, and the best split between GPUs and host."""

from bisect import bisect_right
from collections.abc import Generator, Mapping

from msgspec.structs import replace

from aidx.budget.ledger import Ledger
from aidx.budget.settings import CELL_PAD, Settings
from aidx.plan.ledger import Desk
from aidx.plan.probe import Answer, Probe
from aidx.plan.spread import Look, fitted, gpu_headroom

_NO_END = 1 << 20  # steps of cells, more than any context has
STRAIGHT_STEPS = 6  # guesses along the slope before plain bisection takes over


Found = Generator[Probe, Answer, Settings | None]


def longest(desk: Desk, settings: Settings, cap: int, look: Look | None = None) -> Generator[Probe, Answer, int]:
    """The longest multiple of 256 cells up to *cap* that holds with *settings*; 0 where none does.

    *look* gives the ledger of settings; by default the engine is asked. Where the split over several GPUs is left to
    the plan it is found anew for each context, so that the answer does not depend on the one in *settings*.

    Memory grows along straight lines in the context, so the slope of the closed form leads to the answer
    in about three questions; both the answer and its upper neighbour have been asked.
    """
    look = look or desk.ask
    holds, fails = 0, cap // CELL_PAD * CELL_PAD + CELL_PAD
    guess = fails - CELL_PAD if desk.model.layers is None else _closed_longest(desk, settings, cap)
    steps = 0
    while fails - holds > CELL_PAD:
        cells = min(max(guess, holds + CELL_PAD), fails - CELL_PAD)
        here = yield from fitted(desk, replace(settings, ctx_size=cells), look)
        ledger = yield from look(here)
        if ledger.holds:
            holds = cells
        else:
            fails = cells
        steps += 1
        if fails - holds <= CELL_PAD:
            break
        if steps > STRAIGHT_STEPS or desk.model.layers is None:
            guess = (holds + fails) // 2 // CELL_PAD * CELL_PAD
        else:
            guess = cells + _reach(desk, ledger, (growth if desk.fast else _exactly)(desk, here))
    return holds


def _closed_longest(desk: Desk, settings: Settings, cap: int) -> int:
    holds, fails = 0, cap // CELL_PAD * CELL_PAD + CELL_PAD
    guess, steps = fails - CELL_PAD, 0
    # Most searches begin at a context that was looked at and holds; what is split over GPUs anew begins nowhere.
    begun = None if desk.spreads else desk.formed.get(settings)
    while fails - holds > CELL_PAD:
        cells = min(max(guess, holds + CELL_PAD), fails - CELL_PAD)
        here = closed_fit(desk, replace(settings, ctx_size=cells))
        ledger = desk.closed(here)
        if ledger.holds:
            holds = cells
        else:
            fails = cells
        steps += 1
        if steps > STRAIGHT_STEPS:
            guess = (holds + fails) // 2 // CELL_PAD * CELL_PAD
        elif steps == 1 and not ledger.holds and begun is not None and begun.holds and settings.ctx_size < cells:
            further = _crossing(begun, ledger, cells - settings.ctx_size)
            guess = (settings.ctx_size + further) // CELL_PAD * CELL_PAD
        else:
            guess = cells + _reach(desk, ledger, growth(desk, here))
    return holds


def _crossing(holds: Ledger, fails: Ledger, apart: int) -> int:
    """How far from one ledger to another, *apart*, a straight line between them leaves each device room."""
    shares = [(holds.account(account.name).headroom, -account.headroom) for account in fails.accounts]
    return min(apart * room // (room + missing) for room, missing in shares if missing > 0)


def _reach(desk: Desk, ledger: Ledger, slopes: Mapping[str, int]) -> int:
    """Cells by which the context may grow (or must shrink) so that *ledger* just holds, along *slopes*."""
    if desk.spreads and not ledger.holds:
        # Another split moves bytes from one GPU to another: what all of them lack together decides first.
        room = sum(account.headroom for account in ledger.accounts if account.kind == "gpu")
        slope = sum(slopes[account.name] for account in ledger.accounts if account.kind == "gpu")
        if room < 0 < slope:
            return room // slope * CELL_PAD
    steps = []
    for account in ledger.accounts:
        if slopes[account.name] > 0:
            steps.append(account.headroom // slopes[account.name])
        elif account.headroom < 0:
            steps.append(-_NO_END)
    return min(steps, default=_NO_END) * CELL_PAD


def growth(desk: Desk, here: Settings) -> dict[str, int]:
    """Bytes by which the next ``CELL_PAD`` cells take room of each device.

    The graph of a model that lies on GPU and host is taken to grow as that of the whole one, which is cheap to have.
    """
    if len(desk.machine.gpus) != 1 or desk.whole_on_one(here):
        return _exactly(desk, here)
    further = _further(here)
    whole, longer = (all_layers(desk, replace(each, n_cpu_moe=0)) for each in (here, further))
    still = _apart(desk.standing(here), desk.standing(further))
    graph = _apart(desk.closed(whole), desk.closed(longer))
    without = _apart(desk.standing(whole), desk.standing(longer))
    return {name: still[name] + graph[name] - without[name] for name in still}


def _exactly(desk: Desk, here: Settings) -> dict[str, int]:
    """The same, of the graph as it lies there."""
    return _apart(desk.closed(here), desk.closed(_further(here)))


def _further(here: Settings) -> Settings:
    return replace(here, ctx_size=here.ctx_size + CELL_PAD)


def _apart(before: Ledger, after: Ledger) -> dict[str, int]:
    return {account.name: account.headroom - after.account(account.name).headroom for account in before.accounts}


def all_layers(desk: Desk, settings: Settings) -> Settings:
    """*settings* with every layer and the output on GPUs, or none where no GPU is planned."""
    return replace(settings, n_gpu_layers=desk.model.block_count + 1 if desk.machine.gpus else 0)


def offload(desk: Desk, settings: Settings, *, move_experts: bool) -> Found:
    """The split that keeps most on the GPUs and holds: experts move to the host first, then layers.

    ``None`` where even the host cannot take the rest.
    """
    blocks = desk.model.block_count
    full = all_layers(desk, settings)
    if move_experts and has_experts(desk):
        experts = replace(full, n_cpu_moe=blocks)
        if (yield from _gpu_holds(desk, experts)):
            best = yield from _last(desk, [replace(full, n_cpu_moe=count) for count in range(blocks, -1, -1)])
            return (yield from _if_holds(desk, best))
        full = experts
    best = yield from _last(desk, [replace(full, n_gpu_layers=count) for count in range(blocks + 2)])
    return (yield from _if_holds(desk, best))


def closed_fit(desk: Desk, settings: Settings) -> Settings:
    """*settings* with the split that is found for them by closed forms."""
    if not desk.spreads:
        return settings
    steps = fitted(desk, settings, closed_look(desk))
    try:
        next(steps)
    except StopIteration as found:
        fit: Settings = found.value
        return fit
    raise AssertionError("closed forms asked the engine")


def closed_look(desk: Desk) -> Look:
    """Looks at closed forms alone."""

    def look(settings: Settings) -> Generator[Probe, Answer, Ledger]:
        yield from ()
        return desk.closed(settings)

    return look


def has_experts(desk: Desk) -> bool:
    """Whether the model is a mixture of experts."""
    return any("_exps" in tensor.name for tensor in desk.model.tensors)


def _last(desk: Desk, ladder: list[Settings]) -> Generator[Probe, Answer, Settings]:
    """The last rung that the GPUs hold; each rung takes more of them than the one before, the first fits."""
    if desk.model.layers is not None:
        low = _last_closed(desk, ladder)
    else:
        low, high = 0, len(ladder)
        while high - low > 1:
            middle = (low + high) // 2
            fits = yield from _gpu_holds(desk, ladder[middle])
            low, high = (middle, high) if fits else (low, middle)
    # The closed forms are a bound: the engine is asked whether one rung more fits after all.
    while low + 1 < len(ladder) and (yield from _gpu_holds(desk, ladder[low + 1])):
        low += 1
    return ladder[low]


def _last_closed(desk: Desk, ladder: list[Settings]) -> int:
    """The same by closed forms.

    What stands still is cheap to add up, so that it says where to look; the graph is taken to need as much as on the
    rung that was looked at last.
    """

    def still(number: int) -> int:
        gpus = [account for account in desk.standing(ladder[number]).accounts if account.kind == "gpu"]
        return sum(account.headroom for account in gpus) // len(gpus)

    def room(number: int) -> int:
        return gpu_headroom(desk.closed(closed_fit(desk, ladder[number])))

    low, high, steps = 0, len(ladder) - 1, 0
    found, looked = room(high), high
    if found >= 0:
        return high
    while high - low > 1:
        steps += 1
        graph = still(looked) - found
        if steps > STRAIGHT_STEPS:
            looked = (low + high) // 2
        else:
            looked = bisect_right(range(low + 1, high), -graph, key=lambda number: -still(number)) + low
            looked = max(looked, low + 1)
        found = room(looked)
        low, high = (looked, high) if found >= 0 else (low, looked)
    return low


def _gpu_holds(desk: Desk, settings: Settings) -> Generator[Probe, Answer, bool]:
    here = yield from fitted(desk, settings, desk.ask)
    ledger = yield from desk.ask(here)
    return gpu_headroom(ledger) >= 0


def _if_holds(desk: Desk, settings: Settings) -> Found:
    here = yield from fitted(desk, settings, desk.ask)
    ledger = yield from desk.ask(here)
    return here if ledger.holds else None
