"""Feeds the pure generators of ``plan`` with a prober's answers."""

from collections.abc import Callable

from aidx.model.spec import ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.make import plan as steps
from aidx.plan.need import Need
from aidx.plan.result import Plan
from aidx.ports import Prober


def plan(
    model: ModelSpec,
    need: Need,
    machine: Machine,
    prober: Prober,
    variant: Callable[[str], ModelSpec] | None = None,
) -> Plan:
    """Plan *model* for *machine*; blocks while *prober* asks the engine.

    *variant* builds the same model at another quantization, where that is possible. Raises as
    ``aidx.plan.make.plan`` does.
    """
    run = steps(model, need, machine, variant)
    try:
        probe = next(run)
        while True:
            probe = run.send(prober.ask(probe))
    except StopIteration as stop:
        found: Plan = stop.value
        return found
