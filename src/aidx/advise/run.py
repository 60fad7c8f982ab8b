"""Feeds the pure generators of ``plan`` with a prober's answers."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from aidx.model.spec import ModelSpec
from aidx.plan.choice import Candidate, Chosen, Wish
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
) -> Plan:
    """Plan *model* for *machine*; blocks while *prober* asks the engine.

    Without a *prober* closed forms answer alone, as with ``need.fast``. *variant* builds the same model at
    another quantization, where that is possible. Raises as ``aidx.plan.make.plan`` does.
    """
    return _drive(steps(model, replace(need, fast=need.fast or prober is None), machine, variant), prober)


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
    wish: Wish,
    machine: Machine,
    prober: Prober | None = None,
    pace: Pace = UNKNOWN_PACE,
) -> Chosen:
    """Choose among *candidates* for *machine*, best first; blocks while *prober* asks the engine about the first.

    Without a *prober* closed forms answer alone. *pace* is what is known of the machine's speed. Raises as
    ``aidx.plan.choose.choose`` does.
    """
    need = replace(wish.need, fast=wish.need.fast or prober is None)
    return _drive(choices(candidates, replace(wish, need=need), machine, pace), prober)


def _drive(run: Generator[Probe, Answer, Found], prober: Prober | None) -> Found:
    try:
        probe = next(run)
        while True:
            probe = run.send(Unanswered("no engine was named") if prober is None else prober.ask(probe))
    except StopIteration as stop:
        return cast("Found", stop.value)
