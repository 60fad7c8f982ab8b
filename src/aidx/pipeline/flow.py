"""The pipeline as one generator: it decides, and yields what is to be done to the world."""

import hashlib
from collections.abc import Generator, Mapping
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from aidx.errors import BudgetError
from aidx.pipeline.artifact.parse import parse
from aidx.pipeline.artifact.plan import ChangePlan, render
from aidx.pipeline.cascading import Cascade, agreed, first_contexts
from aidx.pipeline.checking import checked
from aidx.pipeline.checks import must_start
from aidx.pipeline.context.editor import Format
from aidx.pipeline.context.prompt import Prompt
from aidx.pipeline.diff import Status, status, unified
from aidx.pipeline.editing import Unchanged, edit
from aidx.pipeline.effects import (
    Ask,
    Commit,
    Confirm,
    Counted,
    Effect,
    Enter,
    Keep,
    Phase,
    Ready,
    Recall,
    Recalled,
    Save,
    Tell,
    Tree,
    ask,
    count,
    guard,
    look,
    read_planned,
)
from aidx.pipeline.ending import EDIT, BlockedError, LintError, NothingChangedError, TooLongError
from aidx.pipeline.handing import handed_out
from aidx.pipeline.planning import ARCHITECT, first_prompt, planned
from aidx.pipeline.preflight import contexts, linted, shown_to_thinking, thought_over
from aidx.pipeline.research.phase import foreseen, research

Until = Literal["research", "plan", "preflight", "edit", "check"]


class Order(Struct, frozen=True):
    """What a run is to do: *plan* is the text of a person's plan; *checks* are the configured commands.

    *broken* says of checks that cannot be started why. *until* is the last phase, *form* the Editor's edit format;
    *thinking* and *researcher* say whether these roles are there. With *cascade* drafter and verifier stand for the
    Architect.
    """

    task: str
    plan: str | None = None
    until: Until | None = None
    commit: bool = False
    dry_run: bool = False
    form: Format = "blocks"
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    thinking: bool = False
    researcher: bool = False
    cascade: Cascade | None = None


class Outcome(Struct, frozen=True):
    """How far it came: the plan, what became of the files, their *diff*, and the contexts that were counted."""

    plan: ChangePlan | None = None
    files: tuple[tuple[str, Status], ...] = ()
    diff: str = ""
    commit: str | None = None
    found: tuple[str, ...] = ()
    contexts: tuple[tuple[str, str, Counted], ...] = ()


def plan_hash(plan: ChangePlan) -> str:
    """What a person says yes to."""
    return hashlib.sha256(render(plan).encode()).hexdigest()[:12]


def pipeline(order: Order) -> Generator[Effect, Any, Outcome]:
    """Carry out *order*; raises what its phases raise."""
    recalled: Recalled = yield Recall()
    if recalled.edited is not None:
        plan = parse(recalled.edited, recalled.path)
        yield Tell(f"plan: {recalled.path} was edited, and is taken as it is now")
    elif order.plan is not None:
        plan = parse(order.plan)
    else:
        yield Enter("research")
        if order.until != "research":
            must_start(order.checks, order.broken)  # an architect may name any of them
        if order.dry_run:
            return (yield from _foreseen(order))
        files = yield from research(order.task, researcher=order.researcher)
        if order.until == "research":
            return Outcome(found=tuple(files))
        yield Enter("plan")
        plan = yield from _planned(order, files)
    not_applied_otherwise(plan, recalled)
    if recalled.edited is None:
        yield Save(render(plan))
    if order.until == "plan":
        return Outcome(plan)
    return (yield from _carried_out(order, plan))


def not_applied_otherwise(plan: ChangePlan, recalled: Recalled) -> None:
    """Raise ``LintError`` where edits of another plan are in the tree: only its commit message may still change."""
    applied = None if recalled.applied is None else parse(recalled.applied)
    if applied is None or replace(plan, commit=None) == replace(applied, commit=None):
        return
    tried = f"{recalled.path.rpartition('/')[0]}/tried.md"
    raise LintError(
        "the run's plan was changed after its edits had been put into the tree, where they still are",
        hint=f"Copy {tried} over {recalled.path}, and let that be finished, or put back, with --resume.",
    )


def _foreseen(order: Order) -> Generator[Effect, Any, Outcome]:
    """What would be found and asked before there is a plan; nobody is asked."""
    files, asked = yield from foreseen(order.task, researcher=order.researcher)
    contexts = () if asked is None else (("research", "researcher", asked),)
    if order.until == "research":
        return Outcome(found=tuple(files), contexts=contexts)
    yield Enter("plan")
    return Outcome(found=tuple(files), contexts=(*contexts, *(yield from _plan_contexts(order, files))))


def _plan_contexts(
    order: Order, files: Mapping[str, str]
) -> Generator[Effect, Any, tuple[tuple[str, str, Counted], ...]]:
    """What the Architect, or those who stand for it, would be sent first."""
    if order.cascade is not None:
        return (yield from first_contexts(order.task, files, order.checks))
    prompt = yield from first_prompt(order.task, files, order.checks)
    (counted,) = yield from count("plan", ARCHITECT, prompt)
    return (("plan", ARCHITECT, counted),)


def _planned(order: Order, files: Mapping[str, str]) -> Generator[Effect, Any, ChangePlan]:
    if order.cascade is not None:
        return (yield from agreed(order.task, files, order.checks, order.cascade))
    return (yield from planned(order.task, files, order.checks))


def _carried_out(order: Order, plan: ChangePlan) -> Generator[Effect, Any, Outcome]:
    yield Enter("preflight")
    tree = yield from read_planned(*(file.path for file in plan.files))
    linted(plan, tree, order.checks, (yield from guard(*plan.changed)))
    must_start(plan.checks, order.broken)
    if order.commit and plan.commit is None:
        raise LintError(
            "--commit needs a section '## Commit' in the plan", hint="Add it with a message, or omit --commit."
        )
    if order.commit:
        yield from _committable(plan)
    counted = yield from contexts(plan, tree, order.form)
    if order.dry_run:
        edits = tuple(("edit", plan.steps[n].target, each) for n, each in counted.items())
        judged = (yield from shown_to_thinking(order.task, plan, tree))[1:] if order.thinking else ()
        return Outcome(plan, contexts=(*(("preflight", "thinking", each) for each in judged), *edits))
    if order.thinking:
        yield from thought_over(order.task, plan, tree)
    if order.until == "preflight":
        return Outcome(plan)
    if not (yield Confirm(plan_hash(plan), render(plan))):
        raise BlockedError("the plan was not agreed to; nothing was changed", hint=EDIT)
    yield Enter("edit")
    made = yield from _edited(order, plan, tree)
    _changed(plan, tree, made)
    if order.until == "edit":
        return _outcome(plan, tree, made)
    yield Enter("check")
    made = yield from checked(plan, tree, made, order.form, order.checks)
    yield Keep()
    made = dict((yield from look(*plan.changed)))  # a check may have formatted them
    _changed(plan, tree, made)
    name = None
    if order.commit and order.until is None:
        assert plan.commit is not None
        yield Enter("commit")
        name = yield Commit(plan.commit, plan.changed)
    return _outcome(plan, tree, made, name)


def _committable(plan: ChangePlan) -> Generator[Effect, Any, None]:
    """See that git would commit the plan's files, before anybody is paid."""
    for path in (yield Ready(plan.changed)):
        yield Tell(f"preflight: {path} has edits that are not committed: they would be in the commit, too")


def _changed(plan: ChangePlan, tree: Tree, made: Tree) -> None:
    """Raise ``NothingChangedError`` where *made* is what *tree* was."""
    if all(made.get(path) == tree.get(path) for path in plan.changed):
        raise NothingChangedError


def _edited(order: Order, plan: ChangePlan, tree: Tree) -> Generator[Effect, Any, dict[str, bytes | None]]:
    """Drive ``edit``, whose requests know nothing of roles and phases."""
    if order.form == "tool":
        return (yield from handed_out(plan, tree))
    steps = edit(plan, tree, order.form)
    request = next(steps, None) if plan.steps else None
    if request is None:
        return dict.fromkeys(plan.changed)  # a plan without steps only deletes
    while True:
        if isinstance(request, Unchanged):
            answer = ""
            yield Tell(f"edit: step {request.step + 1} ({plan.steps[request.step].target}) changed nothing")
        else:
            answer = yield from _asked(plan, request.step, request.attempt, request.prompt)
        try:
            request = steps.send(answer)
        except StopIteration as stop:
            made: dict[str, bytes | None] = stop.value
            return made


def _asked(plan: ChangePlan, number: int, attempt: int, prompt: Prompt) -> Generator[Effect, Any, str]:
    try:
        return (yield from ask(Ask("edit", "editor", prompt, attempt)))
    except BudgetError as error:
        raise TooLongError(
            f"step {number + 1} ({plan.steps[number].target}): {error}",
            hint="Narrow the step down to a symbol (path::Class.method), split it, or give the Editor a larger gate.",
        ) from None


def _outcome(plan: ChangePlan, tree: Tree, made: Tree, commit: str | None = None) -> Outcome:
    files = tuple((path, status(tree.get(path), made.get(path))) for path in plan.changed)
    return Outcome(plan, files, unified(plan.changed, tree, made), commit)


def phases(order: Order) -> tuple[Phase, ...]:
    """The phases that *order* goes through when all is well."""
    first: tuple[Phase, ...] = ("research", "plan") if order.plan is None else ()
    rest: tuple[Phase, ...] = (*first, "preflight", "edit", "check", *(("commit",) if order.commit else ()))
    return rest if order.until is None else rest[: rest.index(order.until) + 1] if order.until in rest else first
