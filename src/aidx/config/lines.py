"""On which line of a TOML text a key stands; the parser itself does not say."""

import tomllib
from collections.abc import Mapping, Sequence

Path = Sequence[str]


def line_of(text: str, path: Path) -> int | None:
    """The line, from 1, on which the key at *path* is given; ``None`` where it is not.

    A key is given on the first line from which on the text holds it. Only lines that mention its last name are
    tried, so that a file of thousands of lines costs a few parses.
    """
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if path[-1] not in line or _holds(lines, number - 1, path) is not False:
            continue
        upto = next((end for end in range(number, len(lines) + 1) if _holds(lines, end, path) is not None), None)
        if upto is not None and _holds(lines, upto, path):
            return number
    return None


def _holds(lines: Sequence[str], count: int, path: Path) -> bool | None:
    """Whether the first *count* lines hold *path*; ``None`` where they end inside a value."""
    try:
        found: object = tomllib.loads("".join(lines[:count]))
    except tomllib.TOMLDecodeError:
        return None
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True
