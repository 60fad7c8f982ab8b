"""A plan as a value: what was asked, what it takes, whether it holds, and the ways out."""

from typing import Literal

from msgspec import Struct

from aidx.budget.growth import Growth
from aidx.budget.ledger import Ledger
from aidx.budget.loss import Loss
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.beside import NOTHING, Beside

Verdict = Literal["fits", "fits_with_offload", "does_not_fit"]


class Alternative(Struct, frozen=True):
    """A change of the command line, what it saves, how far it reaches, what it costs in words."""

    change: str
    saves_bytes: int
    max_ctx_size: int
    cost: str


class RolePlan(Struct, frozen=True):
    """One model in one role (``role`` is ``None`` for ``aidx plan MODEL``).

    With *auto* whoever starts it takes the first engine that can use the planned devices; *engine* is the planned one.
    """

    role: str | None
    model: ModelSpec
    engine: str
    settings: Settings
    max_ctx_size: int
    growth: Growth
    loss: Loss
    beside: Beside = NOTHING
    auto: bool = False


class Plan(Struct, frozen=True):
    """The whole: *notes* are lines a person must read first (the engine was not asked, over-trained context)."""

    roles: tuple[RolePlan, ...]
    ledger: Ledger
    verdict: Verdict
    binding: str
    alternatives: tuple[Alternative, ...]
    plan_hash: str
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every device, and every bound that was set, holds."""
        return self.verdict != "does_not_fit"
