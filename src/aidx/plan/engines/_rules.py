"""The form of an engine's rules."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from msgspec import Struct

from aidx.budget.allocate import Entries
from aidx.budget.ledger import Ledger
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.need import Need


class Written(NamedTuple):
    """What the number of a setting is written behind: a flag, or a variable of the engine's own."""

    cache_ram: str = "--cache-ram "
    ctx_checkpoints: str = "--ctx-checkpoints "


class Settled(NamedTuple):
    """What is planned in the end: *notes* say whose defaults stand in *need*, and what was kept back of *machine*."""

    need: Need
    machine: Machine
    notes: tuple[str, ...] = ()


Settle = Callable[[ModelSpec, Need, Machine], Settled]
Arithmetic = Callable[[Settings], Entries]


def as_asked(_: ModelSpec, need: Need, machine: Machine) -> Settled:
    """Nothing of its own: planned as the user says."""
    return Settled(need, machine)


def no_remarks(_: Ledger, __: Settings) -> tuple[str, ...]:
    """Nothing to add to a finished plan."""
    return ()


class Rules(Struct, frozen=True):
    """One engine.

    *weights* is the type that it takes them in where nobody names one. *variables* of the environment hold its own
    settings. *arithmetic* gives its entries by device where it does not
    allocate as llama.cpp does; then llama.cpp is not asked, and only the context can be made to fit. *remarks* are
    what must be read beside a finished plan. *written* is what limits of host RAM are written behind.
    """

    name: str
    weights: str | None = None
    variables: tuple[str, ...] = ()
    settle: Settle = as_asked
    arithmetic: Callable[[ModelSpec, int], Arithmetic] | None = None
    remarks: Callable[[Ledger, Settings], tuple[str, ...]] = no_remarks
    written: Written = Written()

    def writing(self, given: Collection[str]) -> Written:
        """What each is written behind, where *given* were typed as flags."""
        plain = Written()
        return Written(*(getattr(plain if name in given else self.written, name) for name in Written._fields))
