"""Asks the other way round: the most that holds on a machine."""

from collections.abc import Callable, Sequence

from aidx.advise.driving import asked, drive
from aidx.model.spec import ModelSpec
from aidx.plan import inverse
from aidx.plan.devices import Machine
from aidx.plan.need import Need
from aidx.ports.prober import Prober


def longest_context(model: ModelSpec, need: Need, machine: Machine, prober: Prober | None = None) -> int:
    """The longest context that holds at the placement of *need*; ``aidx.plan.inverse.longest_context``."""
    return drive(inverse.longest_context(model, asked(need, prober), machine), prober)


def most_slots(model: ModelSpec, need: Need, machine: Machine, each: int, prober: Prober | None = None) -> int:
    """The most slots of *each* tokens that hold; ``aidx.plan.inverse.most_slots``."""
    return drive(inverse.most_slots(model, asked(need, prober), machine, each), prober)


def largest_quantization(
    build: Callable[[str], ModelSpec],
    quants: Sequence[str],
    need: Need,
    machine: Machine,
    prober: Prober | None = None,
) -> str | None:
    """The first of *quants*, largest first, that holds; ``aidx.plan.inverse.largest_quantization``."""
    return drive(inverse.largest_quantization(build, quants, asked(need, prober), machine), prober)
