"""The JSON of a run: ``aidx.run/1``, and the requests in its ledger."""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct, ValidationError, convert
from msgspec.structs import asdict

from aidx.budget.prices import Price
from aidx.errors import AidxError, BudgetError, CheckError
from aidx.patterns.prompt import Precision
from aidx.pipeline.effects import Phase, sized
from aidx.pipeline.ending import BlockedError, NotConfirmedError
from aidx.pipeline.flow import Outcome

Json = dict[str, Any]
OTHERWISE = "counted otherwise by the model"  # an item of a request: what it took beyond what was expected
Ending = Literal["done", "blocked", "failed"]


class _Request(Struct, frozen=True):
    phase: Phase
    role: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    gate: int
    reserved_tokens: int
    reserved_bytes: int


class Request(_Request, frozen=True):
    """One request as the ledger holds it; *reserved_tokens* are KV cells, prompt and output together.

    *bound* is the most that the answer to one may take that was not sent. *counted* says what its count was before it
    was sent; *estimated* that nobody has said how many tokens it had.
    """

    context: tuple[tuple[str, int], ...]
    price: Price | None = None
    bound: int = 0
    counted: Precision = "exact"
    estimated: bool = False

    @property
    def json(self) -> Json:
        """The object in the ledger; its cost is ``null`` where the price is not known."""
        found = {**asdict(self), "context": [{"item": item, "tokens": tokens} for item, tokens in self.context]}
        del found["price"], found["bound"]
        written = self.completion_tokens or self.bound
        return {**found, "cost": None if self.price is None else self.price.of(self.prompt_tokens, written)}

    @property
    def prompt(self) -> str:
        """The tokens of the prompt, in words."""
        return sized(self.prompt_tokens, f"of {self.gate} prompt tokens", self.counted if self.estimated else "exact")


class _Part(Struct, frozen=True):
    item: str
    tokens: int


class _Told(_Request, frozen=True):
    context: tuple[_Part, ...]
    counted: Precision
    estimated: bool
    cost: float | None


def is_request(found: Json | None) -> bool:
    """Whether *found* is a request as the ledger holds it: somebody may have written into that."""
    try:
        convert(found, _Told)
    except ValidationError:
        return False
    return True


class PhaseRun(Struct, frozen=True):
    """How a phase went."""

    name: Phase
    status: Ending
    seconds: float


class Finished(Struct, frozen=True):
    """A run that came to an end: *outcome* of what was reached, *error* where it did not end well.

    *requests* are the ledger's objects, *kv_bytes* the KV cache of each role's engine, *trail* what became of the
    answers of a cascade.
    """

    id: str
    phases: tuple[PhaseRun, ...]
    requests: tuple[Json, ...]
    kv_bytes: dict[str, int]
    outcome: Outcome
    error: AidxError | None = None
    trail: tuple[Json, ...] = ()

    @property
    def status(self) -> Ending:
        """``blocked``: somebody must answer, or the budget says no; ``failed``: something was wrong."""
        return ending(self.error)


def ending(error: AidxError | None) -> Ending:
    """The status that *error* gives a phase, and the run."""
    if error is None:
        return "done"
    return "blocked" if isinstance(error, (BlockedError, NotConfirmedError, BudgetError)) else "failed"


def has_verdict(error: AidxError | None) -> bool:
    """Whether the run's own object tells what happened; other errors have an object of their own."""
    return error is None or isinstance(error, (BudgetError, CheckError, NotConfirmedError))


def as_json(run: Finished) -> Json:
    """The object that ``aidx run --json`` prints; its schema is ``data/schemas/run.json``."""
    return {
        "schema": "aidx.run/1",
        "id": run.id,
        "status": run.status,
        "phases": [asdict(phase) for phase in run.phases],
        "requests": list(run.requests),
        "peak_prompt_tokens": peaks(run.requests),
        "peak_kv_bytes": run.kv_bytes,
        "files": [{"path": path, "status": status} for path, status in run.outcome.files],
        "cost": cost(run.requests),
        "commit": run.outcome.commit,
        "reason": None if run.error is None else str(run.error),
        **({"trail": list(run.trail)} if run.trail else {}),
    }


def peaks(requests: Iterable[Json]) -> dict[str, int]:
    """The longest prompt of each role."""
    found: dict[str, int] = {}
    for request in requests:
        found[request["role"]] = max(found.get(request["role"], 0), request["prompt_tokens"])
    return found


def cost(requests: Iterable[Json]) -> float | None:
    """What *requests* cost together; ``None`` where the price of one is not known."""
    costs = [request.get("cost") for request in requests]
    return None if None in costs else round(sum(each for each in costs if each is not None), 9)
