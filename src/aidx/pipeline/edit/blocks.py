"""SEARCH/REPLACE blocks, the edit format that models know.

::

    app/report.py
    <<<<<<< SEARCH
    old lines
    =======
    new lines
    >>>>>>> REPLACE

The path stands on the line before, with or without decoration (a code fence, backticks, ``File:``); a block
without one belongs to the file of the block before. Text between blocks is ignored. A file may itself hold a
line of equals signs (a heading): then every such line may be the divider, and locating decides.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

_OPEN = re.compile(r"<{5,9} ?SEARCH>?\s*")
_DIVIDER = re.compile(r"={5,9}\s*")
_CLOSE = re.compile(r">{5,9} ?REPLACE\s*")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*([^`]*)")
_DECORATION = re.compile(r"^(?:#+\s+|[-*]\s+|>\s+|(?:file(?:name)?|path)\s*:\s*)+", re.IGNORECASE)
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")


class Sides(NamedTuple):
    """One reading of a block: what to look for, and what it becomes."""

    search: tuple[str, ...]
    replace: tuple[str, ...]


class Block(Struct, frozen=True):
    """Block *number* (from 1), opened in line *row* of the answer.

    *readings* holds one reading for each line that may be the divider; *problem* says why there is none.
    """

    path: str
    number: int
    row: int
    readings: tuple[Sides, ...]
    problem: str = ""


def parse(answer: str) -> tuple[Block, ...]:
    """The blocks of *answer* in order; a broken one has no readings and a problem."""
    lines = [match[0].rstrip("\r\n") for match in _LINES.finditer(answer)]
    return tuple(_read(lines))


def _read(lines: list[str]) -> Iterator[Block]:
    row, number, path = 0, 0, ""
    while row < len(lines):
        if _OPEN.fullmatch(lines[row]) is None:
            row += 1
            continue
        number += 1
        path = _path_above(lines, row) or path
        end = _end(lines, row + 1)
        body = lines[row + 1 : end]
        closed = end < len(lines) and _CLOSE.fullmatch(lines[end]) is not None
        yield _block(path, number, row + 1, body, closed=closed)
        row = end + closed


def _end(lines: list[str], start: int) -> int:
    """The line that closes a block, or that opens the next one before this was closed."""
    return next(
        (row for row in range(start, len(lines)) if _CLOSE.fullmatch(lines[row]) or _OPEN.fullmatch(lines[row])),
        len(lines),
    )


def _block(path: str, number: int, row: int, body: list[str], *, closed: bool) -> Block:
    dividers = [place for place, line in enumerate(body) if _DIVIDER.fullmatch(line)]
    problem = ""
    if not closed:
        problem = f"the block opened in line {row} is not closed by '>>>>>>> REPLACE'"
    elif not dividers:
        problem = f"the block opened in line {row} has no '=======' between SEARCH and REPLACE"
    elif not path:
        problem = f"the block opened in line {row} has no file name on the line before it"
    if problem:
        return Block(path, number, row, (), problem)
    readings = (Sides(tuple(body[:place]), tuple(body[place + 1 :])) for place in dividers)
    return Block(path, number, row, tuple(readings))


def _path_above(lines: list[str], row: int) -> str:
    """The path on the line before *row*, where a code fence may stand between; '' where there is none."""
    above = row - 1
    if above >= 0 and (fence := _FENCE.fullmatch(lines[above])) is not None:
        inside = fence[2].strip()
        if "." in inside or "/" in inside:  # ```app/report.py, and ```python app/report.py
            return _undecorated(inside.split()[-1])
        above -= 1
    if above < 0 or not lines[above].strip() or _CLOSE.fullmatch(lines[above]) or _FENCE.fullmatch(lines[above]):
        return ""
    return _undecorated(lines[above])


def _undecorated(line: str) -> str:
    """The path in *line*: without list marks, emphasis, backticks and a colon after it."""
    text = _DECORATION.sub("", line.strip())
    if quoted := re.search(r"`([^`]+)`", text):
        return quoted[1].strip()
    return text.strip("*").rstrip(":").strip("*'\"").strip()
