"""The form of an engine's rules."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from aidx.budget.allocate import Entries
from aidx.budget.ledger import Ledger
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.need import Need

CACHE_RAM = "--cache-ram "


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
    what must be read beside a finished plan. *cache_ram* is what the limit of the prompt cache is written behind.
    """

    name: str
    weights: str | None = None
    variables: tuple[str, ...] = ()
    settle: Settle = as_asked
    arithmetic: Callable[[ModelSpec, int], Arithmetic] | None = None
    remarks: Callable[[Ledger, Settings], tuple[str, ...]] = no_remarks
    cache_ram: str = CACHE_RAM
