"""Many settings of one model at once, by closed forms: what charts and choices are made of."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from aidx.budget.ledger import Ledger
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.ledger import Desk


class Swept(Struct, frozen=True):
    """What *model* takes with *settings*; it holds where ``ledger.holds``."""

    model: ModelSpec
    settings: Settings
    ledger: Ledger


def sweep(models: Iterable[ModelSpec], settings: Sequence[Settings], machine: Machine) -> Iterator[Swept]:
    """Each of *settings* for each of *models* on *machine*, in this order; the engine is not asked.

    With everything on one device the bytes are the engine's; of a model that is split between GPU and host they
    are a bound from above. Models that are one at several quantizations belong after each other: they share work.
    Raises ``InputError`` for settings that no engine takes and for an architecture without closed forms.
    """
    desk: Desk | None = None
    for model in models:
        desk = Desk(model, machine, fast=True, kin=desk)
        for one in settings:
            yield Swept(model, one, desk.closed(one))
