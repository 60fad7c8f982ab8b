"""What is better: the front of choices that nothing betters, and the order in which they are shown."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from aidx.budget.ledger import Ledger
from aidx.budget.loss import Loss
from aidx.budget.sizes import gib
from aidx.model.catalogue import Standing
from aidx.plan.roles import Role, Suits

Item = TypeVar("Item")
FLUENT, READABLE = 20.0, 6.0  # tokens a second: faster than anyone reads; as fast as people read (250 words a minute)
_ACCEPTED = ("reference", "excellent", "good")
_CLASSES = ("agentic", "general", "thinking", "unknown")


class Nearest(Struct, frozen=True, order=True):
    """What comes nearest where nothing holds: *lacks* so many bytes, *how* in words."""

    lacks: int
    model: str
    quantization: str
    how: str

    @property
    def sentence(self) -> str:
        """``qwen2.5-coder-14b Q3_K_M lacks 0.52 GiB on gpu0``."""
        if not self.lacks:
            return f"{self.model} {self.quantization}: {self.how}"
        return f"{self.model} {self.quantization} lacks {gib(self.lacks)} {self.how}"


def lacking(ledger: Ledger, model: str, quantization: str) -> Nearest:
    """What *ledger*, which does not hold, lacks on the device where it lacks most."""
    worst = min(ledger.accounts, key=lambda account: account.headroom)
    return Nearest(-worst.headroom, model, quantization, f"on {worst.name}")


def front(
    items: Sequence[Item], figures: Callable[[Item], tuple[float, ...]], group: Callable[[Item], str]
) -> list[Item]:
    """Those of *items* that no other of their *group* betters.

    That would be one as good in all *figures* (less is better) and better in one; of equals the first stays.
    """
    kept: list[Item] = []
    together: dict[str, list[tuple[tuple[float, ...], Item]]] = {}
    for item in items:
        together.setdefault(group(item), []).append((figures(item), item))
    for members in together.values():
        for number, (own, item) in enumerate(members):
            if not any(
                _betters(other, own, earlier=at < number) for at, (other, _) in enumerate(members) if at != number
            ):
                kept.append(item)
    return kept


def _betters(other: tuple[float, ...], own: tuple[float, ...], *, earlier: bool) -> bool:
    return all(one <= two for one, two in zip(other, own, strict=True)) and (other != own or earlier)


class Marks(Struct, frozen=True):
    """What a choice is ranked by: *rank* is its type's place in the order of losses, *speed* in tokens a second."""

    loss: Loss
    rank: int
    speed: float
    split: bool
    parameters: int


def order(role: Role | None, suits: Suits | None, standing: Standing, marks: Marks) -> tuple[float, ...]:
    """A sort key, best first: right for the role, little loss, fast enough, whole, class, size, then the figures."""
    return (
        0 if suits is None or suits.suits else 1,
        _loss_step(marks.loss),
        0 if marks.speed >= FLUENT else 1 if marks.speed >= READABLE else 2,
        marks.split,
        _class_step(role, standing),
        -marks.parameters,
        marks.loss.kld_high,
        marks.rank,
        -marks.speed,
    )


def _loss_step(loss: Loss) -> int:
    if loss.quality in _ACCEPTED:
        return 0
    return 1 if loss.quality == "fair" else 2


def _class_step(role: Role | None, standing: Standing) -> float:
    if role is not None and standing.adherence in role.needs:
        return role.needs.index(standing.adherence)
    step = float(_CLASSES.index(standing.adherence))
    return step - 0.5 if standing.reason else step
