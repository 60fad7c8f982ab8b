"""Feeds the pure generators of ``plan`` with a prober's answers."""

from collections.abc import Callable, Generator, Sequence

from aidx.model.spec import ModelSpec
from aidx.plan.beside import NOTHING, Beside
from aidx.plan.deployment.members import Member, Remote
from aidx.plan.deployment.plan import deploy as all_steps
from aidx.plan.devices import Machine
from aidx.plan.make import plan as steps
from aidx.plan.need import Need
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Plan
from aidx.ports import Prober


def plan(
    model: ModelSpec,
    need: Need,
    machine: Machine,
    prober: Prober,
    variant: Callable[[str], ModelSpec] | None = None,
    *,
    beside: Beside = NOTHING,
) -> Plan:
    """Plan *model* for *machine*; blocks while *prober* asks the engine.

    *variant* builds the same model at another quantization, where that is possible; *beside* runs with it. Raises as
    ``aidx.plan.make.plan`` does.
    """
    return _driven(steps(model, need, machine, variant, beside), prober)


def deploy(members: Sequence[Member], machine: Machine, prober: Prober, remotes: Sequence[Remote] = ()) -> Plan:
    """Plan all *members* together on *machine*; blocks while *prober* asks the engine.

    *remotes* are roles that run elsewhere. Raises as ``aidx.plan.deployment.plan.deploy`` does.
    """
    return _driven(all_steps(members, machine, remotes), prober)


def _driven(run: Generator[Probe, Answer, Plan], prober: Prober) -> Plan:
    try:
        probe = next(run)
        while True:
            probe = run.send(prober.ask(probe))
    except StopIteration as stop:
        found: Plan = stop.value
        return found
