"""Pre-flight: everything that can be said about a plan before anything is edited."""

from collections.abc import Collection, Generator, Mapping
from typing import Any

from aidx.errors import InputError
from aidx.pipeline.artifact.plan import ChangePlan, render
from aidx.pipeline.context.architect import readable
from aidx.pipeline.context.editor import Format, editor_prompt
from aidx.pipeline.context.prompt import Item, Prompt
from aidx.pipeline.context.thinking import SCHEMA, thinking_prompt, verdict
from aidx.pipeline.edit.refusal import EditRefusedError
from aidx.pipeline.effects import Ask, Counted, Effect, Tree, ask, count, tell
from aidx.pipeline.ending import EDIT, BlockedError, LintError, TooLongError, countable, numbered
from aidx.pipeline.lint import lint

VERDICTS = 2  # the answer, and one repair
BOTH = "Your last answer said go and objected. Say go without objections, or object."
NEITHER = "Your last answer was no verdict. Answer with the JSON object and nothing else."


def linted(plan: ChangePlan, files: Tree, checks: Collection[str], closed: Mapping[str, str]) -> None:
    """Raise ``LintError`` with every finding; see ``lint``."""
    findings = lint(plan, files, checks, closed)
    if findings:
        text = "; ".join(finding.text for finding in findings)
        raise LintError(f"the plan does not fit this tree: {text}", hint="Correct the plan, or the tree.")


def contexts(plan: ChangePlan, files: Tree, form: Format) -> Generator[Effect, Any, dict[int, Counted]]:
    """The size of each step's context, by its number (from 0).

    A step about what an earlier one makes is counted when its turn comes. Raises ``TooLongError`` for those over
    the gate, all of them at once.
    """
    prompts = {number: prompt for number in range(len(plan.steps)) if (prompt := _now(plan, number, files, form))}
    found = dict(zip(prompts, (yield from count("edit", "editor", *prompts.values())), strict=True))
    for number, step in enumerate(plan.steps):
        yield from tell(f"preflight: step {number + 1} ({step.target}): {_size(found.get(number))}")
    over = [(number, counted) for number, counted in found.items() if not counted.fits]
    if over:
        raise too_long(plan, *over[0], more=len(over) - 1)
    return found


def too_long(plan: ChangePlan, number: int, counted: Counted, *, more: int = 0) -> TooLongError:
    """The refusal of step *number*; says which item takes most."""
    name, tokens = max(counted.items, key=lambda item: item[1])
    others = f" (and {more} more steps)" if more else ""
    ways = "Narrow the step down to a symbol (path::Class.method), split it, or shorten the plan's text."
    return TooLongError(
        f"step {number + 1} ({plan.steps[number].target}) takes {counted.size} of context, the Editor's gate "
        f"is {counted.gate}: {counted.tokens - counted.gate} too many{others}; {name} takes {tokens} of them",
        hint=f"{countable('editor')} Or: {ways}" if counted.precision == "bound" else ways,
    )


def _now(plan: ChangePlan, number: int, files: Tree, form: Format) -> Prompt | None:
    try:
        return editor_prompt(plan, number, files, form)
    except (InputError, EditRefusedError):
        return None  # lint has passed: an earlier step makes it


def _size(counted: Counted | None) -> str:
    if counted is None:
        return "counted when an earlier step has made it"
    return f"{counted.size} of {counted.gate}" + ("" if counted.fits else ", over the gate")


def shown_to_thinking(task: str, plan: ChangePlan, files: Tree) -> Generator[Effect, Any, tuple[Prompt, Counted]]:
    """What the ``thinking`` role is asked first, and its size: the plan with its files, else without them."""
    prompt = thinking_prompt(task, render(plan), readable({p: files.get(p) for p in _seen(plan)}))
    (counted,) = yield from count("preflight", "thinking", prompt)
    if not counted.fits:
        yield from tell(f"preflight: thinking sees the plan without the files: {counted.size} over {counted.gate}")
        prompt = thinking_prompt(task, render(plan), {})
        (counted,) = yield from count("preflight", "thinking", prompt)
    return prompt, counted


def thought_over(task: str, plan: ChangePlan, files: Tree) -> Generator[Effect, Any, None]:
    """Let the ``thinking`` role judge; raises ``BlockedError`` with its objections."""
    prompt, _ = yield from shown_to_thinking(task, plan, files)
    found = None
    for number in range(1, VERDICTS + 1):
        found = verdict((yield from ask(Ask("preflight", "thinking", prompt, number, SCHEMA))))
        if found is not None and found.go and not found.objections:
            yield from tell("preflight: thinking says go")
            return
        if found is not None and not found.go:
            raise BlockedError(f"thinking objects: {numbered(found.objections)}", hint=EDIT)
        prompt = yield from _once_more(prompt, BOTH if found else NEITHER)
    if found is not None:
        raise BlockedError(f"thinking says go, and objects: {numbered(found.objections)}", hint=EDIT)
    raise BlockedError("thinking gave no verdict in two answers", hint="Use another model, or run without the role.")


def _once_more(prompt: Prompt, note: str) -> Generator[Effect, Any, Prompt]:
    """*prompt* with what was wrong with its answer, where there is room for that."""
    noted = Prompt(prompt.system, (*prompt.items, Item("note", note)))
    (counted,) = yield from count("preflight", "thinking", noted)
    return noted if counted.fits else prompt


def _seen(plan: ChangePlan) -> list[str]:
    return [file.path for file in plan.files if file.action in {"edit", "read"}]
