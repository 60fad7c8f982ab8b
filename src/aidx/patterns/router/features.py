"""A prompt as numbers: its structure, and hashed n-grams of the words outside code.

Cheap on purpose: regular expressions that never go back, searches in C, and at most `WORDS` words. All values are
integers in 1/`ONE`, so that a score is the same on every machine.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import islice, pairwise
from math import isqrt
from typing import NamedTuple
from zlib import crc32

from msgspec import Struct

ONE = 1 << 10  # the value 1.0
BUCKETS = 1 << 12  # of hashed n-grams
STEM = 6  # letters of a word that count: German and Spanish inflect
FIRST, LAST = 96, 48  # words that are read: a task stands at the beginning or at the end of what is pasted with it
WORDS = FIRST + LAST
FENCE = "```"
_HEAD, _TAIL = 1024, 512  # characters in which those words are looked for
_LONGEST = 24  # characters of a word that are remembered
_REMEMBERED = 1 << 14  # words whose codes are kept
_MIX = 0x9E3779B1  # Knuth's multiplier, 2^32 over the golden ratio: makes a pair of codes one

_CJK = "぀-ヿ㐀-鿿"  # scripts without spaces: each character is a word
_LATIN = "A-Za-z0-9_\xc0-\u024f"
# In this order: such a character; words, paths, names and numbers as one piece; other letters; question marks.
_PIECE = re.compile(rf"[{_CJK}]|[{_LATIN}](?:[{_LATIN}./\\-]*[{_LATIN}])?|[^\W{_CJK}]+|[?？]")
_FILE = re.compile(r"(?<![\w./-])(?:[\w-]+/)*[\w-]+\.([A-Za-z]\w{0,6})(?![\w/])", re.ASCII)
_KINDS = frozenset(
    re.findall(
        r"\w+",
        """
    py pyi js jsx mjs ts tsx go rs c h cc cpp hpp java kt rb php cs swift scala ex exs sql html css scss vue json toml
    yaml yml md rst sh lua tf proto xml ini cfg txt csv ipynb gradle lock dart
""",
    )
)
_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_CODE_MARKS = "{}();="
_WHOLE, _BEFORE, _AFTER = 4096, 3072, 1024  # of a longer prompt items, marks and scripts are counted in these
# Stems that stand for what is no word.
_ASKS, _NUMBER, _NAME, _FILE_NAME, _START = "?", "0", "_", "_.", "^"


class Named(NamedTuple):
    """One feature that a prompt has: its name for people, its place in the model, its value in 1/`ONE`."""

    name: str
    place: int
    value: int


class Shape(Struct, frozen=True):
    """The structure of a prompt, in whole numbers; words are counted among those that are read."""

    characters: int
    prose: int
    lines: int
    items: int
    questions: int
    files: int
    names: int
    fences: int
    marks: int
    foreign: int

    def values(self) -> tuple[int, ...]:
        """As features in 1/`ONE`, in the order of `NAMES`: counts as logarithms, shares as they are."""
        whole = max(1, self.characters)
        return (
            _log(self.characters) - _USUAL,
            _log(self.prose) - _USUAL,
            _log(self.lines),
            _log(self.items),
            _log(self.questions),
            _log(self.files),
            _log(self.names),
            ONE * min(self.fences, 4) // 4,
            ONE * (self.characters - self.prose) // whole,
            min(ONE, 8 * ONE * self.marks // whole),
            ONE * self.foreign // whole,
        )


NAMES = (
    "characters (log)",
    "characters outside code (log)",
    "lines (log)",
    "list items (log)",
    "question marks (log)",
    "files named (log)",
    "identifiers (log)",
    "code fences",
    "share of code",
    "brackets and operators",
    "share outside ASCII",
)
PLACES = len(NAMES) + BUCKETS


class Reading(Struct, frozen=True):
    """What a prompt says: its shape, and the places of its n-grams, which together have length 1."""

    shape: Shape
    grams: AbstractSet[int]

    @property
    def each(self) -> int:
        """The value of one n-gram in 1/`ONE`."""
        return isqrt(ONE * ONE // len(self.grams)) if self.grams else 0

    def features(self) -> dict[int, int]:
        """Value in 1/`ONE` by place."""
        found = {place: value for place, value in enumerate(self.shape.values()) if value}
        found.update(dict.fromkeys(self.grams, self.each))
        return found


def read(prompt: str) -> Reading:
    """Read *prompt*: all of its structure, its first `FIRST` and last `LAST` words."""
    prose = _prose(prompt)
    pieces = _pieces(prose)
    codes = [_code(piece[-_LONGEST:]) for piece in pieces]
    return Reading(_shape(prompt, prose, pieces, codes), set(_places(codes)))


def named(prompt: str) -> list[Named]:
    """The same features with their names: an n-gram is the words that it was made of."""
    reading = read(prompt)
    stems = [_START] + [_stem(piece[-_LONGEST:]) for piece in _pieces(_prose(prompt))]
    texts = stems[1:] + [f"{first} {second}" for first, second in pairwise(stems)]
    words: dict[int, list[str]] = {}
    for place, text in zip(_places([crc32(stem.encode()) for stem in stems[1:]]), texts, strict=True):
        words.setdefault(place, []).append(f"“{text}”")
    shaped = zip(NAMES, reading.shape.values(), strict=True)
    found = [Named(name, place, value) for place, (name, value) in enumerate(shaped) if value]
    return found + [
        Named(" or ".join(dict.fromkeys(same)), place, reading.each) for place, same in sorted(words.items())
    ]


def files_named(prompt: str) -> tuple[str, ...]:
    """The different files that *prompt* names outside fenced code, in order."""
    prose = _prose(prompt)
    if "." not in prose:
        return ()
    words = " ".join([word for word in prose.split() if "." in word])
    return tuple(dict.fromkeys(found[0] for found in _FILE.finditer(words) if found[1] in _KINDS))


def _shape(prompt: str, prose: str, pieces: Sequence[str], codes: Sequence[int]) -> Shape:
    files = {piece for piece, code in zip(pieces, codes, strict=True) if code == _FILES} if _FILES in codes else ()
    size, text, told = len(prompt), _ends(prompt), _ends(prose)
    marks = sum([text.count(mark) for mark in _CODE_MARKS])
    foreign = 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))
    return Shape(
        characters=size,
        prose=len(prose),
        lines=prompt.count("\n") + 1,
        items=len(_ITEM.findall(told)) if "\n" in told else 0,
        questions=codes.count(_QUESTIONS),
        files=len(files),
        names=codes.count(_IDENTIFIERS) + len(files),
        fences=prompt.count(FENCE) // 2,
        marks=marks if text is prompt else marks * size // _WHOLE,
        foreign=foreign if text is prompt else foreign * size // _WHOLE,
    )


def _ends(text: str) -> str:
    """*text*, or its beginning and its end where it is long."""
    return text if len(text) <= _WHOLE else text[:_BEFORE] + text[-_AFTER:]


def _places(codes: Sequence[int]) -> list[int]:
    """The places of words, then of pairs of words, the first of which is the start."""
    base, mask = len(NAMES), BUCKETS - 1
    found = [base + (code & mask) for code in codes]
    found += [base + ((one * _MIX + two) >> 9 & mask) for one, two in pairwise((_BEGIN, *codes))]
    return found


def _prose(prompt: str) -> str:
    """What stands outside fenced code."""
    return " ".join(prompt.split(FENCE)[::2]) if FENCE in prompt else prompt


def _pieces(prose: str) -> list[str]:
    """The first and the last words."""
    if len(prose) > _HEAD + _TAIL:
        first = [found[0] for found in islice(_PIECE.finditer(prose[:_HEAD]), FIRST)]
        return first + _PIECE.findall(prose[-_TAIL:])[-LAST:]
    pieces = _PIECE.findall(prose)
    return pieces if len(pieces) <= WORDS else pieces[:FIRST] + pieces[-LAST:]


def _stem(piece: str) -> str:
    if piece.isalpha():
        return piece[:STEM].casefold()
    if piece in "?？":
        return _ASKS
    if piece.isdigit():
        return _NUMBER
    return _FILE_NAME if piece.rpartition(".")[2] in _KINDS else _NAME


@lru_cache(_REMEMBERED)
def _code(piece: str) -> int:
    return crc32(_stem(piece).encode("utf-8", "surrogatepass"))


_QUESTIONS, _IDENTIFIERS, _FILES, _BEGIN = (crc32(stem.encode()) for stem in (_ASKS, _NAME, _FILE_NAME, _START))


def _log(count: int) -> int:
    """Logarithm of 1 + *count* to the base 2^16 in 1/`ONE`, by whole numbers: straight between powers of two."""
    count += 1
    power = count.bit_length() - 1
    rest = (count << 4 >> power) - 16
    return (power * 16 + rest) * ONE // 256


_USUAL = _log(127)  # characters of a prompt: shorter ones have negative lengths, so that length explains no constant
