"""The ways out of a plan that is tight or does not hold, cheapest in quality first."""

from collections.abc import Callable, Generator, Iterator

from msgspec import Struct

from aidx.budget.ledger import Ledger
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.changes import Change, same_model, smaller
from aidx.plan.engines import Written
from aidx.plan.ledger import Desk
from aidx.plan.need import OFFLOAD_CTX
from aidx.plan.place import training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Alternative
from aidx.plan.search import longest
from aidx.plan.spread import fitted
from aidx.plan.together import combined

MOST = 6

Found = Generator[Probe, Answer, "Judged"]


class Judged(Struct, frozen=True):
    """An alternative, and whether the plan holds with it."""

    alternative: Alternative
    holds: bool


def alternatives(
    desk: Desk,
    settings: Settings,
    reach: int,
    variant: Callable[[str], ModelSpec] | None,
    written: Written,
) -> Generator[Probe, Answer, tuple[Alternative, ...]]:
    """Changes that save bytes, those that make the plan hold first; none for an unknown architecture.

    *written* is what the engine's limits of host RAM are written behind.
    """
    if desk.model.layers is None:
        return ()
    before = yield from desk.best(settings)
    found = yield from _each(same_model(desk, settings, reach, before, written), before)
    for change in smaller(desk, settings, variant):
        found += yield from _each(iter((change,)), before)
        if found[-1].holds:  # the first that holds is the largest that holds
            break
    if not before.holds and not any(judged.holds for judged in found):
        together = yield from combined(desk, settings, variant, written)
        found += [] if together is None else (yield from _each(iter((together,)), before))
    helping = [judged for judged in found if judged.alternative.saves_bytes > 0]
    most = min(OFFLOAD_CTX, training_length(desk), settings.ctx_size)
    # Stable: each list is already in order of its cost. A context that is of no use is the last way out.
    helping.sort(key=lambda judged: (not judged.holds, judged.holds and judged.alternative.max_ctx_size < most))
    return tuple(judged.alternative for judged in helping[:MOST])


def _each(changes: Iterator[Change], before: Ledger) -> Generator[Probe, Answer, list[Judged]]:
    found: list[Judged] = []
    for change in changes:
        judged = yield from _judged(change, before)
        found.append(judged)
    return found


def _judged(change: Change, before: Ledger) -> Found:
    desk = change.desk
    settings = yield from fitted(desk, change.settings, desk.best)
    after = yield from desk.best(settings)
    saved = saves(before, after)
    reach = yield from longest(desk, settings, training_length(desk), desk.best)
    cost = change.cost if after.holds else f"{change.cost}; not enough alone"
    flags = _pinned(change, holds=after.holds)
    return Judged(Alternative(flags, saved, min(reach, desk.model.context_length), cost), after.holds)


def saves(before: Ledger, after: Ledger) -> int:
    """Bytes that *after* takes less than *before* where it is tight: on all GPUs, or on the host.

    Where bytes are only moved from one GPU to another, those that leave the one that decides.
    """
    tight = min(before.accounts, key=lambda account: account.headroom)
    same = [account for account in before.accounts if account.kind == tight.kind]
    there = sum(account.planned - after.account(account.name).planned for account in same)
    return there if there > 0 else tight.planned - after.account(tight.name).planned


def _pinned(change: Change, *, holds: bool) -> str:
    """The flags with the placement that they were judged at, wherever ``auto`` would choose another.

    Not the split over GPUs: a plan finds the same one again, and another for another context.
    """
    settings, flags = change.settings, [change.flags] if change.flags else []
    if change.desk.machine.gpus and not (
        holds and settings.n_gpu_layers in change.desk.whole and not settings.n_cpu_moe
    ):
        whole = settings.n_gpu_layers in change.desk.whole
        flags.append(f"--n-gpu-layers {'all' if whole else settings.n_gpu_layers}")
        if settings.n_cpu_moe:
            flags.append(f"--n-cpu-moe {settings.n_cpu_moe}")
    less = [f"leave out {' and '.join(change.omits)}"] if change.omits else []
    return ", ".join([*([" ".join(flags)] if flags else []), *less])
