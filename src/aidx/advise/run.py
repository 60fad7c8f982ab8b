"""Feeds the pure generators of ``plan`` with a prober's answers."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from aidx.model.spec import ModelSpec
from aidx.plan import inverse
from aidx.plan.beside import NOTHING, Beside
from aidx.plan.choice import Candidate, Chosen, Terms
from aidx.plan.choose import choose as choices
from aidx.plan.deployment.members import Member, Remote
from aidx.plan.deployment.plan import deploy as all_steps
from aidx.plan.devices import Machine
from aidx.plan.make import plan as steps
from aidx.plan.need import Need
from aidx.plan.probe import Answer, Probe, Unanswered
from aidx.plan.result import Plan
from aidx.plan.speed import Pace
from aidx.ports import Prober

Found = TypeVar("Found")
UNKNOWN_PACE = Pace()


def plan(
    model: ModelSpec,
    need: Need,
    machine: Machine,
    prober: Prober | None = None,
    variant: Callable[[str], ModelSpec] | None = None,
    *,
    beside: Beside = NOTHING,
) -> Plan:
    """Plan *model* for *machine*; blocks while *prober* asks the engine.

    Without a *prober* closed forms answer alone, as with ``need.fast``. *variant* builds the same model at
    another quantization, where that is possible; *beside* runs with it. Raises as ``aidx.plan.make.plan`` does.
    """
    return _drive(steps(model, _asked(need, prober), machine, variant, beside), prober)


def longest_context(model: ModelSpec, need: Need, machine: Machine, prober: Prober | None = None) -> int:
    """The longest context that holds at the placement of *need*; ``aidx.plan.inverse.longest_context``."""
    return _drive(inverse.longest_context(model, _asked(need, prober), machine), prober)


def most_slots(model: ModelSpec, need: Need, machine: Machine, each: int, prober: Prober | None = None) -> int:
    """The most slots of *each* tokens that hold; ``aidx.plan.inverse.most_slots``."""
    return _drive(inverse.most_slots(model, _asked(need, prober), machine, each), prober)


def largest_quantization(
    build: Callable[[str], ModelSpec],
    quants: Sequence[str],
    need: Need,
    machine: Machine,
    prober: Prober | None = None,
) -> str | None:
    """The first of *quants*, largest first, that holds; ``aidx.plan.inverse.largest_quantization``."""
    return _drive(inverse.largest_quantization(build, quants, _asked(need, prober), machine), prober)


def _asked(need: Need, prober: Prober | None) -> Need:
    """*need*, fast where there is nobody to ask."""
    return replace(need, fast=need.fast or prober is None)


def deploy(
    members: Sequence[Member], machine: Machine, prober: Prober | None = None, remotes: Sequence[Remote] = ()
) -> Plan:
    """Plan all *members* together on *machine*; blocks while *prober* asks the engine.

    Without a *prober* closed forms answer alone. *remotes* are roles that run elsewhere. Raises as
    ``aidx.plan.deployment.plan.deploy`` does.
    """
    if prober is None:
        members = tuple(replace(member, need=replace(member.need, fast=True)) for member in members)
    return _drive(all_steps(members, machine, remotes), prober)


def choose(
    candidates: Iterable[Candidate],
    terms: Terms,
    machine: Machine,
    prober: Prober | None = None,
    pace: Pace = UNKNOWN_PACE,
) -> Chosen:
    """Choose among *candidates* for *machine*, best first; blocks while *prober* asks the engine about the first.

    Without a *prober* closed forms answer alone. *pace* is what is known of the machine's speed. Raises as
    ``aidx.plan.choose.choose`` does.
    """
    return _drive(choices(candidates, replace(terms, need=_asked(terms.need, prober)), machine, pace), prober)


def _drive(run: Generator[Probe, Answer, Found], prober: Prober | None) -> Found:
    try:
        probe = next(run)
        while True:
            probe = run.send(Unanswered("no engine was named") if prober is None else prober.ask(probe))
    except StopIteration as stop:
        return cast("Found", stop.value)
