"""Chooses among models."""

from collections.abc import Iterable

from msgspec.structs import replace

from aidx.advise.driving import asked, drive
from aidx.plan.choice import Candidate, Chosen, Terms
from aidx.plan.choose import choose as steps
from aidx.plan.devices import Machine
from aidx.plan.speed import Pace
from aidx.ports.prober import Prober

UNKNOWN_PACE = Pace()


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
    return drive(steps(candidates, replace(terms, need=asked(terms.need, prober)), machine, pace), prober)
