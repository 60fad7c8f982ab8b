"""Plans one model."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from aidx.advise.driving import asked, drive
from aidx.model.spec import ModelSpec
from aidx.plan.beside import NOTHING, Beside
from aidx.plan.devices import Machine
from aidx.plan.make import plan as steps
from aidx.plan.need import Need
from aidx.plan.result import Plan

if TYPE_CHECKING:
    from aidx.ports.prober import Prober


def plan(
    model: ModelSpec,
    need: Need,
    machine: Machine,
    prober: "Prober | None" = None,
    variant: Callable[[str], ModelSpec] | None = None,
    *,
    beside: Beside = NOTHING,
) -> Plan:
    """Plan *model* for *machine*; blocks while *prober* asks the engine.

    Without a *prober* closed forms answer alone, as with ``need.fast``. *variant* builds the same model at
    another quantization, where that is possible; *beside* runs with it. Raises as ``aidx.plan.make.plan`` does.
    """
    return drive(steps(model, asked(need, prober), machine, variant, beside), prober)
