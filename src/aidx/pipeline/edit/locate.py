"""Where a SEARCH stands in a file: in exactly one place, or nowhere that is sure.

Each way of looking is a little more tolerant than the one before; the first that finds something decides, and
more than one place is refused. Nothing is ever taken because it came first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from aidx.pipeline.edit.refusal import EditRefusedError

LEAST_LINES = 3  # of a SEARCH that is looked for by similarity; fewer lines are alike by chance
SIMILAR = 0.8  # share of equal characters from which a place is the one that was meant
AHEAD = 0.08  # by which it must be better than the next best place
_SPARE = (0, 1, 2, -1)  # lines by which a similar place may be longer than the SEARCH, which has LEAST_LINES

Key = Callable[[str], str]


class Window(NamedTuple):
    """Lines *start* to *end* (without it) of a file; *exact* where they are the SEARCH to the letter."""

    start: int
    end: int
    exact: bool = False


def unquoted(line: str) -> str:
    """*line* without indentation, one kind of quotes."""
    return line.strip().replace("'", '"')


def _without_end(line: str) -> str:
    return line.rstrip()


def _without_ends(line: str) -> str:
    return line.strip()


def similarity(first: str, second: str) -> float:
    """The share of characters that two texts have in common, 0 to 1."""
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def locate(lines: Sequence[str], search: Sequence[str]) -> Window:
    """The one place of *search*, which has a line that is not blank, among *lines*.

    Raises ``EditRefusedError`` where there is none, or more than one.
    """
    if (window := _only(_runs(lines, search, str), len(search))) is not None:
        return window._replace(exact=True)
    for bare in (_without_end, _without_ends):
        if (window := _only(_runs(lines, search, bare), len(search))) is not None:
            return window
    places = [place for place, line in enumerate(lines) if line.strip()]
    dense = [lines[place] for place in places]
    wanted = [line for line in search if line.strip()]
    for bare in (_without_ends, unquoted):
        if (window := _only(_runs(dense, wanted, bare), len(wanted))) is not None:
            return Window(places[window.start], places[window.end - 1] + 1)
    window = _similar([unquoted(line) for line in dense], [unquoted(line) for line in wanted])
    return Window(places[window.start], places[window.end - 1] + 1)


def _runs(lines: Sequence[str], search: Sequence[str], key: Key) -> list[int]:
    """Where *search* begins among *lines* when both are seen through *key*."""
    wanted = [key(line) for line in search]
    seen = [key(line) for line in lines]
    length = len(wanted)
    starts = range(len(seen) - length + 1)
    return [start for start in starts if seen[start] == wanted[0] and seen[start : start + length] == wanted]


def _only(starts: list[int], length: int) -> Window | None:
    if len(starts) > 1:
        shown = ", ".join(str(start + 1) for start in starts[:5])
        raise EditRefusedError(
            "ambiguous",
            f"SEARCH fits in {len(starts)} places (from lines {shown}): repeat more of the lines around it",
        )
    return Window(starts[0], starts[0] + length) if starts else None


def _similar(lines: list[str], wanted: list[str]) -> Window:
    """The one place that is nearly *wanted*; lines are compared as they are."""
    missing = EditRefusedError("not_found", "SEARCH does not stand in the file: copy its lines as they are")
    if len(wanted) < LEAST_LINES:
        raise missing
    rated = sorted(_rated(lines, wanted), key=lambda found: (-found[0], abs(found[1].end - found[1].start)))
    if not rated or rated[0][0] < SIMILAR:
        raise missing
    best, window = rated[0]
    rival = max((rate for rate, other in rated if _apart(window, other)), default=0.0)
    if best - rival < AHEAD:
        raise EditRefusedError("ambiguous", "SEARCH is like several places: copy its lines as they are")
    return window


def _apart(first: Window, second: Window) -> bool:
    return second.end <= first.start or second.start >= first.end


def _alike(lines: Iterable[str], wanted: str) -> set[str]:
    """Those of *lines* that are similar enough to *wanted*; what can be no more than that is told cheaply first."""
    matcher = SequenceMatcher(None, "", wanted, autojunk=False)
    found = set()
    for line in lines:
        matcher.set_seq1(line)
        if matcher.real_quick_ratio() >= SIMILAR and matcher.quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR:
            found.add(line)
    return found


def _rated(lines: list[str], wanted: list[str]) -> Iterator[tuple[float, Window]]:
    """Every window that begins, ends and goes on nearly like *wanted*, with its similarity."""
    first, last = _alike(set(lines), wanted[0]), _alike(set(lines), wanted[-1])
    known, text = set(wanted), "\n".join(wanted)
    enough = max(1, len(wanted) // 2)
    for spare in _SPARE:
        length = len(wanted) + spare
        for start in range(len(lines) - length + 1):
            seen = lines[start : start + length]
            if seen[0] in first and seen[-1] in last and len(known.intersection(seen)) >= enough:
                yield similarity("\n".join(seen), text), Window(start, start + length)
