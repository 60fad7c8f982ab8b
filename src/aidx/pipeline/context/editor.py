"""The Editor's context for one step: made afresh each time, of the plan and the files as they are now.

``blocks`` is for models that follow instructions; ``lines`` is for small ones: one sentence, numbered lines. ``tool``
is what a program that edits by itself has to show its model at the least: it adds words of its own.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec.structs import replace

from aidx.errors import InputError
from aidx.pipeline.artifact.plan import ChangePlan, Step
from aidx.pipeline.context.prompt import Item, Prompt
from aidx.pipeline.context.symbols import Symbol, find, outline
from aidx.pipeline.edit import lines
from aidx.pipeline.edit.document import read, split

Format = Literal["blocks", "lines", "tool"]
SYSTEM = """\
You are a careful programmer. You carry out one step of a plan that somebody else made.
Answer only with edit blocks, each in this form, with the file's path on the line before it:

path/to/file.py
<<<<<<< SEARCH
lines of the file, exactly as they are
=======
the lines that take their place
>>>>>>> REPLACE

SEARCH must stand in the file exactly once: copy enough lines. An empty SEARCH creates a file.
Change what this step asks for and nothing else. Never name another file."""


def editor_prompt(
    plan: ChangePlan, number: int, files: Mapping[str, bytes | None], form: Format, note: str = ""
) -> Prompt:
    """What the Editor is shown for step *number* (from 0) of *plan*; *files* is the tree as earlier steps left it.

    *note* says what was wrong with an earlier answer. Raises ``InputError`` for a symbol that is not there and
    ``EditRefusedError`` for a file that is no text.
    """
    step = plan.steps[number]
    again = Item("note", note)
    data = files.get(step.path)
    if form == "lines":
        return Prompt("", (Item("step", step.text), again, Item(step.target, lines.number(shown(step, data)))))
    return Prompt(
        "" if form == "tool" else SYSTEM,
        (
            Item("plan", f"# {plan.title}\n\n{plan.why}".strip()),
            Item("steps", _steps(plan, number)),
            Item("step", f"Your step now: {step.target}\n{step.text}"),
            *_file(replace(step, symbol=None) if form == "tool" else step, data),
            *_read_only(plan, files),
            again,
        ),
    )


def errand_text(plan: ChangePlan, number: int, note: str = "") -> str:
    """What a program that edits by itself is told of step *number*; it reads the files for itself."""
    step = plan.steps[number]
    told = (
        f"# {plan.title}\n\n{plan.why}".strip(),
        _steps(plan, number),
        f"Your step now: {step.target}\n{step.text}",
        f"Change what this step asks for in {step.path} and nothing else.",
        note,
    )
    return "\n\n".join(text for text in told if text)


def shown(step: Step, data: bytes | None) -> str:
    """The text that *step* is about: the symbol, or the file ('' where there is none yet)."""
    text = "" if data is None else read(data).text
    if step.symbol is None:
        return text
    return _cut(text, _symbol(step, text))


def replaced(step: Step, data: bytes, new: str) -> bytes:
    """The file with *new* in the place of what ``shown`` gave out."""
    document = read(data)
    if step.symbol is None:
        return document.encode(new)
    symbol = _symbol(step, document.text)
    all_lines = split(document.text)
    last = all_lines[symbol.last - 1]
    parts = ["".join(map("".join, part)) for part in (all_lines[: symbol.first - 1], all_lines[symbol.last :])]
    return document.encode(f"{parts[0]}{new}{last.ending}{parts[1]}")


def _symbol(step: Step, text: str) -> Symbol:
    assert step.symbol is not None
    return find(step.path, text, step.symbol)


def _cut(text: str, symbol: Symbol) -> str:
    """The symbol's lines without the last line ending."""
    every = split(text)[symbol.first - 1 : symbol.last]
    return "".join(map("".join, every)).removesuffix(every[-1].ending)


def _steps(plan: ChangePlan, number: int) -> str:
    """Every step in one line; the current one is marked."""
    told = (
        f"{'->' if place == number else '  '} {place + 1}. {step.target}: {step.text.splitlines()[0]}"
        for place, step in enumerate(plan.steps)
    )
    return "\n".join(["Steps:", *told])


def _file(step: Step, data: bytes | None) -> tuple[Item, ...]:
    if data is None:
        if step.symbol is not None:
            raise InputError(f"{step.path} is not there yet, and the step names {step.symbol} in it")
        return (Item(step.path, f"{step.path} is not there yet: create it."),)
    text = read(data).text
    if step.symbol is None:
        return (Item(step.path, f"{step.path} as it is now:\n```\n{text.rstrip()}\n```"),)
    symbol = _symbol(step, text)
    return (
        Item(f"{step.path} outline", f"Outline of {step.path}:\n```\n{outline(step.path, text, without=symbol)}\n```"),
        Item(step.target, f"{step.target} as it is now, in {step.path}:\n```\n{_cut(text, symbol)}\n```"),
    )


def _read_only(plan: ChangePlan, files: Mapping[str, bytes | None]) -> tuple[Item, ...]:
    """The files that the plan gives to read."""
    found = ((file.path, files.get(file.path)) for file in plan.files if file.action == "read")
    return tuple(
        Item(path, f"{path}, to read only:\n```\n{read(data).text.rstrip()}\n```")
        for path, data in found
        if data is not None
    )
