"""Line edits, the edit format for small models.

The model is shown numbered lines (``01|def f(a):``) and answers with the lines that change:

========== ==============================================================
``NN|text``  line NN becomes *text*
``NN+|text`` *text* is added after line NN; several keep their order; ``00+`` adds before the first line
``NN-|``     line NN is deleted
========== ==============================================================

The numbers refer to exactly the text that was sent, so nothing has to be located, and whatever is not one of
these three is refused: an answer is applied as a whole or not at all.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from aidx.errors import CheckError
from aidx.pipeline.edit.document import Line, split, usual_ending

Kind = Literal["replace", "insert", "delete"]
Reason = Literal["empty", "malformed", "unknown_line", "conflict"]

_EDIT = re.compile(r"([0-9]{2,9})([+-]?)\|([^\r\n]*)")
_KINDS: Mapping[str, Kind] = {"": "replace", "+": "insert", "-": "delete"}
_SHOWN = 40  # characters of a refused line that an error quotes


class Edit(Struct, frozen=True):
    """One line of an answer; *line* counts from 1, *text* has no line ending."""

    line: int
    kind: Kind
    text: str = ""


class Refusal(Struct, frozen=True):
    """Why line *row* of an answer (from 1) cannot be applied."""

    row: int
    reason: Reason
    detail: str


class RefusedEditsError(CheckError):
    """An answer that is not applied; *refusals* holds every reason, not only the first."""

    code = "edit_refused"

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        told = "; ".join(f"line {refusal.row} of the answer: {refusal.detail}" for refusal in refusals)
        super().__init__(
            f"the edit is refused, nothing was changed: {told}",
            hint="answer with lines like '03|new text', '03+|text to add after' or '03-|' only",
        )
        self.refusals = refusals


def number(text: str) -> str:
    """Show *text* with line numbers of at least two digits, lines joined by a line feed."""
    lines = split(text)
    width = max(2, len(str(len(lines))))
    return "\n".join(f"{place:0{width}d}|{line}" for place, (line, _) in enumerate(lines, 1))


def parse(answer: str) -> tuple[Edit, ...]:
    """Read an answer; one final line feed is not counted as a line.

    Raises:
        RefusedEditsError: the answer is empty or a line of it is no line edit.
    """
    found = _read(answer)
    refusals = tuple(item for item in found if isinstance(item, Refusal))
    if refusals:
        raise RefusedEditsError(refusals)
    return tuple(item for item in found if isinstance(item, Edit))


def apply(source: str, answer: str) -> str:
    """Return *source* as *answer* changes it.

    Untouched lines keep their bytes. A replaced line keeps its line ending, an added one takes the ending
    of the line before it, and the last line has a line ending exactly if the last line of *source* had one.

    Raises:
        RefusedEditsError: any line of the answer is malformed, names a line that was not sent, or
            changes a line that another one already changes.
    """
    lines = split(source)
    found = _read(answer)
    refusals = _refusals(found, len(lines))
    if refusals:
        raise RefusedEditsError(refusals)
    changed: dict[int, str | None] = {}
    added: dict[int, list[str]] = {}
    for edit in found:
        assert isinstance(edit, Edit)
        if edit.kind == "insert":
            added.setdefault(edit.line, []).append(edit.text)
        else:
            changed[edit.line] = edit.text if edit.kind == "replace" else None
    return _join(lines, changed, added)


def _read(answer: str) -> tuple[Edit | Refusal, ...]:
    """Read each line of *answer* as an edit or as the reason why it is none."""
    body = answer.removesuffix("\n")
    if not body:
        return (Refusal(1, "empty", "it is empty"),)
    return tuple(_read_line(row, line) for row, line in enumerate(body.split("\n"), 1))


def _read_line(row: int, line: str) -> Edit | Refusal:
    match = _EDIT.fullmatch(line)
    if match is None:
        return Refusal(row, "malformed", f"{line[:_SHOWN]!r} is not a line edit")
    kind = _KINDS[match[2]]
    if kind == "delete" and match[3]:
        return Refusal(row, "malformed", f"{line[:_SHOWN]!r} deletes a line and has text for it")
    return Edit(int(match[1]), kind, match[3])


def _refusals(found: Sequence[Edit | Refusal], count: int) -> tuple[Refusal, ...]:
    """Every reason not to apply *found* to a text of *count* lines."""
    refusals: list[Refusal] = []
    changed: set[int] = set()
    for row, item in enumerate(found, 1):
        if isinstance(item, Refusal):
            refusals.append(item)
            continue
        first = 0 if item.kind == "insert" else 1
        if not first <= item.line <= count:
            refusals.append(Refusal(row, "unknown_line", f"there is no line {item.line} (1 to {count} were sent)"))
        elif item.kind != "insert" and item.line in changed:
            refusals.append(Refusal(row, "conflict", f"line {item.line} is changed twice"))
        elif item.kind != "insert":
            changed.add(item.line)
    return tuple(refusals)


def _join(lines: Sequence[Line], changed: Mapping[int, str | None], added: Mapping[int, Sequence[str]]) -> str:
    usual = usual_ending(lines)
    result = [(text, usual) for text in added.get(0, ())]
    for place, (line, ending) in enumerate(lines, 1):
        text = changed.get(place, line)
        if text is not None:
            result.append((text, ending or usual))
        result += [(extra, ending or usual) for extra in added.get(place, ())]
    closed = not lines or bool(lines[-1][1])
    return "".join(
        text + (ending if closed or place < len(result) else "") for place, (text, ending) in enumerate(result, 1)
    )
