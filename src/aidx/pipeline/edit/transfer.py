"""From a located SEARCH to the new lines: only what differs between SEARCH and REPLACE is carried over.

A sloppy SEARCH is the model's memory of the file. Lines that it leaves alone stay as the file has them, lines
that it changes must be (nearly) what it believes they are, and lines that it forgot are never lost.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from aidx.pipeline.edit.locate import similarity, unquoted
from aidx.pipeline.edit.refusal import EditRefusedError

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_PAIRED = 0.75  # similarity from which two lines are versions of each other
_LEAST_LETTERS = 3  # of a word that may be misspelt


def transfer(
    window: Sequence[str], search: Sequence[str], replace: Sequence[str], vocabulary: frozenset[str]
) -> list[str]:
    """The lines that take the place of *window*, which was found for *search*.

    *vocabulary* holds the words of the whole file: a word that occurs in it is no slip of the pen. Raises
    ``EditRefusedError`` where it is in doubt what was meant.
    """
    placed = _align(window, search)
    meant, new = [line.rstrip() for line in search], [line.rstrip() for line in replace]
    results = [
        _carried(steps, replace, _Work(window, search, placed, vocabulary))
        for steps in (_steps(meant, new), _backwards(meant, new))
    ]
    if results[0] != results[1]:  # SEARCH repeats itself: which of its lines is meant decides what comes out
        raise _doubt("lines of SEARCH repeat each other")
    return results[0]


class _Step(NamedTuple):
    """Lines *start* to *end* of SEARCH and *first* to *last* of REPLACE; *tag* is difflib's word for it."""

    tag: str
    start: int
    end: int
    first: int
    last: int


def _steps(search: Sequence[str], replace: Sequence[str]) -> list[_Step]:
    """What leads from *search* to *replace*, earlier lines matched first."""
    return [_Step(*step) for step in SequenceMatcher(None, search, replace, autojunk=False).get_opcodes()]


def _backwards(search: Sequence[str], replace: Sequence[str]) -> list[_Step]:
    """The same, later lines matched first."""
    old, new = len(search), len(replace)
    steps = _steps(search[::-1], replace[::-1])
    return [_Step(s.tag, old - s.end, old - s.start, new - s.last, new - s.first) for s in reversed(steps)]


def _carried(steps: Sequence[_Step], replace: Sequence[str], work: "_Work") -> list[str]:
    for step in steps:
        if step.tag == "equal":
            work.keep(step.start, step.end)
        elif step.tag == "insert":
            work.insert(step.start, replace[step.first : step.last])
        else:
            work.change(step.start, step.end, replace[step.first : step.last])
    return [*work.out, *work.window[work.at :]]


def words(text: str) -> frozenset[str]:
    """Every word of *text*."""
    return frozenset(re.findall(r"\w+", text))


class _Work:
    """One pass over the window; *at* is the next line of it, *out* what was written so far."""

    def __init__(
        self, window: Sequence[str], search: Sequence[str], placed: Mapping[int, int], vocabulary: frozenset[str]
    ) -> None:
        self.window = window
        self.search = search
        self.placed = placed
        self.vocabulary = vocabulary
        self.at = 0
        self.out: list[str] = []
        pairs = [(search[line], window[place]) for line, place in placed.items()]
        self.indents = {_indent(meant): _indent(real) for meant, real in reversed(pairs)}
        self.spellings = dict(slip for pair in pairs if (slip := _slip(*pair, vocabulary)))

    def keep(self, start: int, end: int) -> None:
        """Lines that SEARCH and REPLACE share: as the file has them, with what SEARCH forgot between them."""
        places = [self.placed[line] for line in range(start, end) if line in self.placed]
        if places:
            self._copy_to(max(places) + 1)
        if not self.search[end - 1].strip():  # blank lines at the end belong to what was kept
            self._copy_blank()

    def change(self, start: int, end: int, new: Sequence[str]) -> None:
        """Lines *start* to *end* of SEARCH become *new*."""
        told = [line for line in range(start, end) if self.search[line].strip()]
        places = [self._sure(line) for line in told]
        if places:
            low, high = min(places), max(places) + 1
            if low < self.at or any(self.window[p].strip() for p in range(low, high) if p not in places):
                raise _doubt("there are lines between those to be changed that SEARCH does not show")
            self._copy_to(low)
            self.at = high
        else:
            self._drop_blank(end - start)
        self._write(new)

    def insert(self, before: int, new: Sequence[str]) -> None:
        """*new* stands between the lines around it; refused where the file has more lines there."""
        following = next((self.placed[line] for line in range(before, len(self.search)) if line in self.placed), None)
        if following is not None and self.at and any(line.strip() for line in self.window[self.at : following]):
            raise _doubt("SEARCH does not show the lines between which REPLACE adds some")
        self._write(new)

    def _write(self, new: Sequence[str]) -> None:
        self.out += [self._fitted(line) for line in new]
        if new and not new[-1].strip() and self.at < len(self.window) and not self.window[self.at].strip():
            self.at += 1  # one blank line is enough

    def _copy_to(self, place: int) -> None:
        self.out += self.window[self.at : place]
        self.at = max(self.at, place)

    def _copy_blank(self) -> None:
        while self.at < len(self.window) and not self.window[self.at].strip():
            self._copy_to(self.at + 1)

    def _drop_blank(self, count: int) -> None:
        while count and self.at < len(self.window) and not self.window[self.at].strip():
            self.at, count = self.at + 1, count - 1

    def _sure(self, line: int) -> int:
        """The place of a line that is to be changed: it must be there as SEARCH has it, or with one slip."""
        meant = self.search[line]
        place = self.placed.get(line)
        if place is None:
            raise _doubt(f"the file has no line {meant.strip()[:60]!r}")
        real = self.window[place]
        if unquoted(meant) != unquoted(real) and _slip(meant, real, self.vocabulary) is None:
            raise _doubt(f"SEARCH says {meant.strip()[:60]!r} and the file {real.strip()[:60]!r}")
        return place

    def _fitted(self, line: str) -> str:
        """A new line in the file's own indentation and spelling."""
        if not line.strip():
            return ""
        indent = _indent(line)
        known = max((meant for meant in self.indents if indent.startswith(meant)), key=len, default=None)
        body = line.removeprefix(indent)
        if self.spellings:
            body = "".join(self.spellings.get(word, word) for word in _WORDS.findall(body))
        return (indent if known is None else self.indents[known] + indent.removeprefix(known)) + body


def _doubt(detail: str) -> EditRefusedError:
    return EditRefusedError("conflict", f"{detail}: copy the lines of the file as they are")


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _align(window: Sequence[str], search: Sequence[str]) -> dict[int, int]:
    """Which line of *search* is which line of *window*; blank lines and lines without a partner are left out."""
    meant = [number for number, line in enumerate(search) if line.strip()]
    real = [number for number, line in enumerate(window) if line.strip()]
    if len(meant) == len(real):
        return dict(zip(meant, real, strict=True))
    seen, told = [unquoted(window[n]) for n in real], [unquoted(search[n]) for n in meant]
    pairs: dict[int, int] = {}
    for tag, start, end, first, last in SequenceMatcher(None, told, seen, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs.update(zip(range(start, end), range(first, last), strict=True))
        elif tag == "replace":
            pairs.update(_alike(told, seen, range(start, end), range(first, last)))
    return {meant[line]: real[place] for line, place in pairs.items()}


def _alike(told: Sequence[str], seen: Sequence[str], lines: range, places: range) -> dict[int, int]:
    """Partners by similarity, in order."""
    pairs: dict[int, int] = {}
    free = places.start
    for line in lines:
        rated = [(similarity(told[line], seen[place]), -place) for place in range(free, places.stop)]
        if rated and (best := max(rated))[0] > _PAIRED:
            pairs[line] = -best[1]
            free = pairs[line] + 1
    return pairs


def _slip(meant: str, real: str, vocabulary: frozenset[str]) -> tuple[str, str] | None:
    """The misspelt word of *meant* and how *real* spells it, where that is all that tells them apart.

    A word that the file uses somewhere is another word, not a slip; a number is never one.
    """
    first, second = _WORDS.findall(unquoted(meant)), _WORDS.findall(unquoted(real))
    if len(first) != len(second):
        return None
    differing = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    if len(differing) != 1:
        return None
    wrong, right = differing[0]
    long_enough = min(len(wrong), len(right)) >= _LEAST_LETTERS
    if not long_enough or wrong in vocabulary or _digits(wrong) != _digits(right):
        return None
    return (wrong, right) if _one_slip(wrong, right) else None


def _digits(word: str) -> str:
    return re.sub(r"\D", "", word)


def _one_slip(first: str, second: str) -> bool:
    """Whether one letter was added, left out, mistaken or exchanged with its neighbour."""
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    left, right = first[start:], second[start:]
    if len(left) == len(right):
        swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
        return left[1:] == right[1:] or swapped
    return left[1:] == right or left == right[1:]
