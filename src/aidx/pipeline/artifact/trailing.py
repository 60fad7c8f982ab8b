"""What a model says after its plan: prose that the form has no place for. In a plan that a person wrote it is an error.

The form that an Architect is given ends with a list or with one line of a message. Paragraphs behind that, with a
blank line before them, are dropped as long as they are nothing but prose; lists, headings, indented lines and the
trailers of a message are part of the plan, and left to the grammar.
"""

import re
from collections.abc import Sequence

_HEADING = re.compile(r"##[ \t]")
_OWN = re.compile(r"#|\s|[-*+][ \t]|[0-9]{1,4}[.)][ \t]")
_TRAILER = re.compile(r"(?:BREAKING[ -]CHANGE|\w+-[\w-]+|Refs|Fixes|Closes|Resolves)(?:: | #)")


def without_talk(lines: Sequence[str]) -> list[str]:
    """*lines* of a plan, without the prose behind its last section; a section keeps its first paragraph."""
    kept = _trimmed(lines)
    start = max((number for number, line in enumerate(kept) if _HEADING.match(line)), default=None)
    if start is None:
        return kept
    first = next((number for number in range(start + 1, len(kept)) if kept[number].strip()), len(kept))
    while (blank := _last_blank(kept)) > first and not any(_stays(line) for line in kept[blank + 1 :]):
        kept = _trimmed(kept[:blank])
    return kept


def _stays(line: str) -> bool:
    return bool(_OWN.match(line) or _TRAILER.match(line))


def _last_blank(lines: Sequence[str]) -> int:
    return max((number for number, line in enumerate(lines) if not line.strip()), default=-1)


def _trimmed(lines: Sequence[str]) -> list[str]:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


__all__ = ["without_talk"]
