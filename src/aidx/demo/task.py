"""The third scene: a task, what the model is shown of it, and what becomes of its answer."""

import difflib
import json

from msgspec import Struct

from aidx.errors import InputError
from aidx.page.story import Edit
from aidx.pipeline.edit import lines
from aidx.pipeline.edit.syntax import worsened

SHOWN = "add_parameter"


class Task(Struct, frozen=True):
    """An edit that no training data contained: *source* should become *edited*."""

    kind: str
    file: str
    instruction: str
    source: str
    edited: str


def read(text: str) -> tuple[Task, ...]:
    """The tasks in the JSON list *text*."""
    return tuple(Task(**fields) for fields in json.loads(text))


def pick(tasks: tuple[Task, ...], number: int | None) -> Task:
    """Task *number*, counted from 1, else the first one of the kind that is shown.

    Raises ``InputError`` where there is no such task.
    """
    if number is None:
        return next(task for task in tasks if task.kind == SHOWN)
    if not 1 <= number <= len(tasks):
        raise InputError(f"there is no task {number}", hint=f"Give --task 1 to {len(tasks)}.")
    return tasks[number - 1]


def shown(task: Task) -> str:
    """What the model is asked: the instruction, and the function with numbered lines."""
    return f"{task.instruction}\n\n{lines.number(task.source)}"


def body(content: str, model: str) -> bytes:
    """A chat completion request with *content*, streamed, at temperature 0."""
    message = {"role": "user", "content": content}
    return json.dumps({"model": model, "messages": [message], "temperature": 0, "stream": True}).encode()


def outcome(task: Task, answer: str, prompt_tokens: int) -> Edit:
    """Apply *answer*; an answer that is refused, or that breaks the syntax, changes nothing."""
    result, refused = task.source, None
    try:
        result = lines.apply(task.source, answer)
        refused = worsened(task.file, task.source, result)
    except lines.RefusedEditsError as error:
        refused = str(error)
    if refused is not None:
        result = task.source
    return Edit(
        kind=task.kind,
        file=task.file,
        instruction=task.instruction,
        shown=lines.number(task.source),
        answer=answer,
        result=result,
        diff=diff(task.source, result, task.file),
        refused=refused,
        as_expected=refused is None and result == task.edited,
        prompt_tokens=prompt_tokens,
    )


def diff(before: str, after: str, file: str) -> tuple[str, ...]:
    """The unified diff of two texts, line by line."""
    return tuple(difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{file}", f"b/{file}", lineterm=""))


def overlong(task: Task, tokens: int, *, each: int) -> str:
    """A prompt of about twice *tokens*: the same function again and again, which took *each* once."""
    return "\n\n".join([shown(task)] * (2 * tokens // each + 1))
