"""What changed in a tree, as a person reads it."""

import difflib
from collections.abc import Iterable
from typing import Literal

from aidx.pipeline.edit.document import read
from aidx.pipeline.edit.refusal import EditRefusedError
from aidx.pipeline.effects import Tree

Status = Literal["edited", "created", "deleted", "unchanged"]


def status(before: bytes | None, after: bytes | None) -> Status:
    """What became of a file."""
    if before == after:
        return "unchanged"
    return "created" if before is None else "deleted" if after is None else "edited"


def unified(paths: Iterable[str], before: Tree, after: Tree) -> str:
    """The unified diff of the files at *paths*; '' where nothing changed."""
    return "".join(_one(path, before.get(path), after.get(path)) for path in paths)


def _one(path: str, before: bytes | None, after: bytes | None) -> str:
    names = ("/dev/null" if before is None else f"a/{path}", "/dev/null" if after is None else f"b/{path}")
    found = difflib.unified_diff(_lines(before), _lines(after), *names)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in found)


def _lines(data: bytes | None) -> list[str]:
    try:
        return [] if data is None else read(data).text.splitlines(keepends=True)
    except EditRefusedError:
        return ["(no text)\n"]
