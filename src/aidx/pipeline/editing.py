"""The Hard Reset and the edit: a generator that asks the Editor step by step and hands out new files.

``edit`` has no parameter for a history. What the Editor sees of the past is the tree as earlier steps left it.
"""

from collections.abc import Generator, Mapping

from msgspec import Struct

from aidx.errors import CheckError
from aidx.pipeline.artifact.plan import ChangePlan, Step
from aidx.pipeline.context.editor import Format, editor_prompt, replaced, shown
from aidx.pipeline.context.prompt import Prompt
from aidx.pipeline.edit import blocks as block_format
from aidx.pipeline.edit import lines
from aidx.pipeline.edit.blocks import Block
from aidx.pipeline.edit.change import change
from aidx.pipeline.edit.document import read
from aidx.pipeline.edit.paths import checked
from aidx.pipeline.edit.refusal import EditRefusedError, Refused
from aidx.pipeline.edit.syntax import worsened

ATTEMPTS = 2  # the answer, and one repair with the reasons for its refusal
SAME = "it changes nothing"


class EditorAsk(Struct, frozen=True):
    """One request to the Editor: *prompt* for step *step* (from 0), attempt *attempt* (from 1)."""

    step: int
    attempt: int
    prompt: Prompt


class Unchanged(Struct, frozen=True):
    """Step *step* (from 0) was answered twice with what is there already."""

    step: int


class StepRefusedError(CheckError):
    """An Editor whose answers to a step were all refused; *refused* are the reasons of the last one."""

    code = "edit_refused"

    def __init__(self, number: int, step: Step, refused: tuple[Refused, ...]) -> None:
        reasons = "; ".join(f"block {item.block}: {item.reason}, {item.detail}" for item in refused)
        super().__init__(
            f"step {number + 1} ({step.target}) is refused, nothing was changed: {reasons}",
            hint="Make the step smaller or plainer, or do it by hand.",
        )
        self.refused = refused


def edit(
    plan: ChangePlan, files: Mapping[str, bytes | None], form: Format = "blocks"
) -> Generator[EditorAsk | Unchanged, str, dict[str, bytes | None]]:
    """The new bytes of every file that *plan* changes, ``None`` for a deleted one.

    *files* holds the bytes of each file that the plan names. Raises ``StepRefusedError`` where two answers to a
    step cannot be applied; of one that changes nothing twice over it is said that it is ``Unchanged``.
    """
    tree = dict(files)
    for number, step in enumerate(plan.steps):
        tree[step.path] = yield from _do(plan, number, tree, form)
    for file in plan.files:
        if file.action == "delete":
            tree[file.path] = None
    return {path: tree.get(path) for path in plan.changed}


def _do(
    plan: ChangePlan, number: int, tree: Mapping[str, bytes | None], form: Format
) -> Generator[EditorAsk | Unchanged, str, bytes]:
    step = plan.steps[number]
    before = tree.get(step.path)
    refused: tuple[Refused, ...] = ()
    for attempt in range(1, ATTEMPTS + 1):
        reasons = "; ".join(item.detail for item in refused)
        note = f"Your first answer was refused: {reasons}" if refused else ""
        answer = yield EditorAsk(number, attempt, editor_prompt(plan, number, tree, form, note))
        made = apply_answer(step, before, answer, form)
        if isinstance(made, bytes) and made != before:
            return made
        refused = (Refused(step.path, 1, "conflict", SAME),) if isinstance(made, bytes) else made
    if before is not None and [item.detail for item in refused] == [SAME]:
        yield Unchanged(number)
        return before
    raise StepRefusedError(number, step, refused)


def apply_answer(step: Step, data: bytes | None, answer: str, form: Format) -> bytes | tuple[Refused, ...]:
    """The file of *step* after *answer*, or why it is refused: only this step's file may change."""
    return _lines(step, data, answer) if form == "lines" else _blocks(step, data, answer)


def _blocks(step: Step, data: bytes | None, answer: str) -> bytes | tuple[Refused, ...]:
    blocks = block_format.parse(answer)
    if not blocks:
        return (Refused(step.path, 1, "syntax", "the answer holds no edit block"),)
    foreign: list[Refused] = []
    own: list[Block] = []
    for block in blocks:
        try:
            path = block.path if block.problem else checked(block.path, [step.path])
            own.append(Block(path, block.number, block.row, block.readings, block.problem))
        except EditRefusedError as error:
            foreign.append(Refused(block.path, block.number, error.reason, error.detail))
    made = change(own, {step.path: data})
    if foreign or made.refused:
        return (*foreign, *made.refused)
    return made.files[step.path]


def _lines(step: Step, data: bytes | None, answer: str) -> bytes | tuple[Refused, ...]:
    if data is None:
        return (Refused(step.path, 1, "not_found", "line edits need a file that is there"),)
    try:
        new = lines.apply(shown(step, data), answer)
        after = replaced(step, data, new)
    except lines.RefusedEditsError as error:
        return tuple(Refused(step.path, item.row, "conflict", item.detail) for item in error.refusals)
    except EditRefusedError as error:
        return (Refused(step.path, 1, error.reason, error.detail),)
    if problem := worsened(step.path, read(data).text, read(after).text):
        return (Refused(step.path, 1, "syntax", f"the file would no longer be valid: {problem}"),)
    return after
