"""The fifth scene: plans carried out by the pipeline, with the small model as the Editor and tests as checks."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from msgspec import Struct

from aidx.page.story import Carried, Context
from aidx.pipeline.artifact.parse import parse
from aidx.pipeline.checking import FAILED_CHECKS, FAILED_DIFF
from aidx.pipeline.contract import Finished
from aidx.pipeline.flow import Order, pipeline
from aidx.pipeline.run import Seat, World, drive
from aidx.ports.workspace import Records

Seats = Mapping[str, Callable[[], Seat]]


class Place(Struct, frozen=True):
    """A scratch repository: *open* it for one run, look at the *tree* it has; *commits*: it is under git.

    *checks* are the commands that judge it.
    """

    open: Callable[[Seats], AbstractContextManager[World]]
    tree: Callable[[], Mapping[str, bytes]]
    checks: Mapping[str, tuple[str, ...]]
    commits: bool


def carry_out(text: str, place: Place, seats: Seats) -> Carried:
    """Carry out the plan *text* in *place*, as ``aidx run --plan FILE --yes`` does."""
    plan = parse(text)
    before = place.tree()
    order = Order(plan.title, text, commit=place.commits, form="lines", checks=dict(place.checks))
    with place.open(seats) as world:
        run = drive(pipeline(order), world)
        assert world.records is not None
        tried, said = (_kept(world.records, name) for name in (FAILED_DIFF, FAILED_CHECKS))
    return Carried(
        plan=text,
        title=plan.title,
        steps=tuple(f"{step.target}: {step.text}" for step in plan.steps),
        checks=plan.checks,
        status=run.status,
        reason=None if run.error is None else str(run.error),
        requests=tuple(_context(request) for request in run.requests),
        kv_bytes=run.kv_bytes.get("editor", 0),
        diff=tuple(_diff(run, tried).splitlines()),
        objection=said.strip(),
        as_before=place.tree() == before,
        commit=run.outcome.commit,
    )


def _kept(records: Records, name: str) -> str:
    return (records.read(name) or b"").decode()


def _diff(run: Finished, tried: str) -> str:
    """What became of the tree; of a run that failed, what was tried and taken back."""
    return run.outcome.diff if run.error is None else tried


def _context(request: Mapping[str, object]) -> Context:
    return Context(
        phase=str(request["phase"]),
        prompt_tokens=int(str(request["prompt_tokens"])),
        gate=int(str(request["gate"])),
        completion_tokens=int(str(request["completion_tokens"])),
    )
