"""What a tour has to show: the values that the demo's page, its lines and its JSON are made of."""

from collections.abc import Mapping

from msgspec import Struct

from aidx.budget.compare import Difference
from aidx.budget.ledger import Account
from aidx.plan.article import Claim, Holds
from aidx.plan.result import Plan


class Row(Struct, frozen=True):
    """One component of the article's budget table beside the exact figure."""

    component: str
    stated: int
    exact: int
    verdict: Holds


class Budget(Struct, frozen=True):
    """The article's card: its own table as an account, the exact plans, and every figure it states."""

    stated: Account
    table: tuple[Row, ...]
    plans: Mapping[str, Plan]
    claims: tuple[Claim, ...]


class Running(Struct, frozen=True):
    """A model that was planned, started and compared; *resident* is the memory of its process."""

    plan: Plan
    differences: tuple[Difference, ...]
    build: str
    resident: int

    @property
    def holds(self) -> bool:
        """Whether the engine took what was planned."""
        return all(difference.holds for difference in self.differences)


class Edit(Struct, frozen=True):
    """A held-out task and what became of it; *refused* says why an answer was not applied."""

    kind: str
    file: str
    instruction: str
    shown: str
    answer: str
    result: str
    diff: tuple[str, ...]
    refused: str | None
    as_expected: bool
    prompt_tokens: int


class Refusal(Struct, frozen=True):
    """A prompt of which nothing was computed, with the numbers that say why."""

    message: str
    numbers: Mapping[str, int]


class Context(Struct, frozen=True):
    """One request of a run: how long its prompt was, and how long it might have been."""

    phase: str
    prompt_tokens: int
    gate: int
    completion_tokens: int


class Carried(Struct, frozen=True):
    """A plan that was carried out, or tried and taken back.

    *plan* is its text, *diff* what was changed (of a run that failed: what was tried), *objection* what the checks
    said of that, *as_before* whether every file has the bytes it had.
    """

    plan: str
    title: str
    steps: tuple[str, ...]
    checks: tuple[str, ...]
    status: str
    reason: str | None
    requests: tuple[Context, ...]
    kv_bytes: int
    diff: tuple[str, ...]
    objection: str
    as_before: bool
    commit: str | None

    @property
    def holds(self) -> bool:
        """Whether the tree is as planned, or exactly as before."""
        return self.as_before == (self.status != "done")


class Story(Struct, frozen=True):
    """The whole tour."""

    budget: Budget
    running: Running
    edit: Edit
    refusal: Refusal
    carried: tuple[Carried, ...]

    @property
    def holds(self) -> bool:
        """Whether every check of the tour said yes."""
        edited = self.edit.refused is None and self.edit.as_expected
        return self.running.holds and edited and all(run.holds for run in self.carried)
