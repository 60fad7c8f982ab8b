"""Check and repair: changes are tried in the tree, judged by the user's checks, and mended at most once."""

from collections.abc import Generator, Mapping
from typing import Any

from aidx.errors import InputError
from aidx.pipeline.artifact.plan import ChangePlan, render
from aidx.pipeline.checks import judge, must_work, said, telling
from aidx.pipeline.context.editor import Format, editor_prompt
from aidx.pipeline.diff import unified
from aidx.pipeline.edit.refusal import EditRefusedError, Refused
from aidx.pipeline.editing import apply_answer
from aidx.pipeline.effects import Ask, Effect, Save, Tree, ask, attempt, count, tell
from aidx.pipeline.ending import ChecksFailedError
from aidx.pipeline.handing import handed

Commands = Mapping[str, tuple[str, ...]]
FAILED_DIFF, FAILED_CHECKS = "failed.diff", "failed.txt"  # files of a run whose checks failed


def checked(
    plan: ChangePlan, files: Tree, made: dict[str, bytes | None], form: Format, commands: Commands
) -> Generator[Effect, Any, dict[str, bytes | None]]:
    """The changes that pass the plan's checks: *made*, or what one repair makes of it.

    Raises ``ChecksFailedError`` where neither does, ``EngineError`` where a check could not work.
    """
    before = {path: files.get(path) for path in plan.changed}
    findings = yield from _tried(plan, made, before, commands)
    if not findings:
        return made
    yield from tell(f"check: {_first(findings)}; one repair")
    mended = yield from _repair(plan, {**files, **made}, form, findings)
    if mended is None:
        yield from _keep(plan, before, made, findings)
        raise _failed(findings, "no repair could be made")
    again = yield from _tried(plan, mended, before, commands)
    if again:
        yield from _keep(plan, before, mended, again)
        raise _failed(again, "one repair did not help")
    return mended


def _keep(plan: ChangePlan, before: Tree, tried: Tree, findings: str) -> Generator[Effect, Any, None]:
    """What was tried last and what was said of it: the tree no longer shows it."""
    yield Save(unified(plan.changed, before, tried), FAILED_DIFF)
    yield Save(f"{findings}\n", FAILED_CHECKS)


def _tried(plan: ChangePlan, changes: Tree, before: Tree, commands: Commands) -> Generator[Effect, Any, str]:
    """What the checks object to; '' where they pass."""
    results = yield from attempt(changes, before, plan.checks, render(plan))
    findings = []
    for name, ran in zip(plan.checks, results, strict=True):
        must_work(name, commands[name], ran)
        passed = judge(commands[name], ran) == "passed"
        yield from tell(f"check: {name} {'passed' if passed else 'did not pass'}")
        if not passed:
            findings.append(said(name, ran))
    return "\n".join(findings)


def _repair(
    plan: ChangePlan, tree: dict[str, bytes | None], form: Format, findings: str
) -> Generator[Effect, Any, dict[str, bytes | None] | None]:
    """The files after each step that the findings speak of was asked for once more; ``None`` where that failed."""
    for number in _suspects(plan, findings):
        step = plan.steps[number]
        note = f"This step was carried out, as shown, and then:\n{findings}\nMend it."
        new = yield from _mended(plan, number, tree, form, note)
        if new is None:
            return None
        if not isinstance(new, bytes):
            yield from tell(f"check: the repair is refused: {new[0].detail}")
            return None
        tree[step.path] = new
    return {path: tree.get(path) for path in plan.changed}


def _mended(
    plan: ChangePlan, number: int, tree: Tree, form: Format, note: str
) -> Generator[Effect, Any, bytes | tuple[Refused, ...] | None]:
    """The file of step *number* after it was asked for once more; ``None`` where it cannot be asked for."""
    if form == "tool":
        return (yield from handed(plan, number, tree, "check", note=note))
    step = plan.steps[number]
    try:
        prompt = editor_prompt(plan, number, tree, form, note)
    except (InputError, EditRefusedError):
        return None  # the symbol is gone: what the step was about cannot be shown
    (counted,) = yield from count("check", "editor", prompt)
    if not counted.fits:
        yield from tell(f"check: no repair, its context takes {counted.size} of {counted.gate}")
        return None
    return apply_answer(step, tree.get(step.path), (yield from ask(Ask("check", "editor", prompt))), form)


def _suspects(plan: ChangePlan, findings: str) -> tuple[int, ...]:
    """The steps whose files stand in *findings*, else the last one; of several about one file, the last."""
    last = {step.path: number for number, step in enumerate(plan.steps)}
    named = tuple(sorted(number for path, number in last.items() if path in findings))
    return named or tuple([*last.values()][-1:])


def _first(findings: str) -> str:
    return findings.strip().split("\n", 1)[0].removesuffix(":")


def _most(findings: str) -> str:
    told = telling(findings)
    return f": {told[:200]}" if told != findings.strip() else ""


def _failed(findings: str, what: str) -> ChecksFailedError:
    return ChecksFailedError(
        f"{_first(findings)}, and {what}; the tree is as before{_most(findings)}",
        hint=f"The run keeps {FAILED_DIFF} and {FAILED_CHECKS}; change the plan, or do the step by hand.",
    )
