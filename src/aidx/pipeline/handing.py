"""Steps that a program of its own carries out (``engine = "aider"``): what it is given, and what is taken from it.

It starts afresh for each step, sees the files of that step and nothing else, and is judged by what it did to them.
"""

from collections.abc import Generator
from typing import Any

from aidx.pipeline.artifact.plan import ChangePlan, Step
from aidx.pipeline.context.editor import errand_text
from aidx.pipeline.edit.document import read, split, usual_ending
from aidx.pipeline.edit.refusal import EditRefusedError, Refused
from aidx.pipeline.edit.syntax import worsened
from aidx.pipeline.editing import ATTEMPTS, StepRefusedError
from aidx.pipeline.effects import Effect, Hand, Phase, Tree, hand, tell
from aidx.ports.programs import Errand, Worked


def handed_out(plan: ChangePlan, files: Tree) -> Generator[Effect, Any, dict[str, bytes | None]]:
    """The new bytes of every file that *plan* changes, as ``editing.edit`` has them."""
    tree = dict(files)
    for number, step in enumerate(plan.steps):
        tree[step.path] = yield from _done(plan, number, tree)
    for file in plan.files:
        if file.action == "delete":
            tree[file.path] = None
    return {path: tree.get(path) for path in plan.changed}


def _done(plan: ChangePlan, number: int, tree: Tree) -> Generator[Effect, Any, bytes]:
    refused: tuple[Refused, ...] = ()
    for attempt in range(1, ATTEMPTS + 1):
        reasons = "; ".join(item.detail for item in refused)
        note = f"What was done first was not taken: {reasons}" if refused else ""
        made = yield from handed(plan, number, tree, "edit", note=note, attempt=attempt)
        if isinstance(made, bytes):
            return made
        refused = made
        yield from tell(f"edit: not taken: {'; '.join(item.detail for item in refused)}")
    raise StepRefusedError(number, plan.steps[number], refused)


def handed(
    plan: ChangePlan, number: int, tree: Tree, phase: Phase, *, note: str, attempt: int = 1
) -> Generator[Effect, Any, bytes | tuple[Refused, ...]]:
    """The file of step *number* after the program has worked on it, or why that is not taken."""
    step = plan.steps[number]
    seen = (step.path, *(file.path for file in plan.files if file.action == "read"))
    errand = Errand(errand_text(plan, number, note), {path: tree.get(path) for path in seen}, step.path)
    worked = yield from hand(Hand(phase, errand, attempt))
    return judged(step, tree.get(step.path), worked)


def judged(step: Step, before: bytes | None, worked: Worked) -> bytes | tuple[Refused, ...]:
    """The bytes of *step*'s file, *before* it, after what was done; the reasons where that is not taken."""
    foreign = sorted(path for path in worked.files if path != step.path)
    if foreign:
        return tuple(Refused(path, 1, "not_allowed", f"{path} is not the file of this step") for path in foreign)
    after = worked.files.get(step.path, before)
    if after is None or after == before:
        return (Refused(step.path, 1, "not_found", f"{step.path} was not changed{_last(worked.said)}"),)
    try:
        new = _kept(before, after)
        if problem := worsened(step.path, _text(before), _text(new)):
            return (Refused(step.path, 1, "syntax", f"the file would no longer be valid: {problem}"),)
    except EditRefusedError as error:
        return (Refused(step.path, 1, error.reason, error.detail),)
    return new


def _kept(before: bytes | None, after: bytes) -> bytes:
    """*after* with the line endings of *before*, where a program has replaced all of them by its own."""
    document = read(after)
    old, new = split(_text(before)), split(document.text)
    usual = usual_ending(old)
    if not old or usual in {line.ending for line in new} or len({line.ending for line in old if line.ending}) != 1:
        return after
    return document.encode("".join(line.text + (usual if line.ending else "") for line in new))


def _text(data: bytes | None) -> str:
    return "" if data is None else read(data).text


def _last(said: str) -> str:
    lines: list[str] = [line.strip() for line in said.splitlines() if line.strip()]
    return f" (the program's last words: {lines[-1][:200]})" if lines else ""
