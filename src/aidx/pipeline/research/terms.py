"""The terms that a text is found by: words, and the words inside identifiers.

The same for every store, so that each finds the same: stores are handed terms and split nothing themselves.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from aidx.ports.retrieval import Chunk

_WORD = re.compile(r"\w+")
# HTTPServer2 -> HTTP Server 2; letters of scripts without capitals stay together
_PART = re.compile(
    "CAP+(?=CAPSMALL)|CAP?SMALL+|CAP+|\\d+".replace("CAP", "[A-ZÀ-ÖØ-Þ]").replace("SMALL", r"[^\W\d_A-ZÀ-ÖØ-Þ]")
)
_VOWEL = re.compile(r"[aeiouyäöü]")
_SYMBOL_WEIGHT = 3  # a name says more than a mention: recall rises from 0.50 to 0.55 (benchmarks/recall.py)
_LONGEST = 64  # characters: longer words are data
# Words of questions and of every file; nothing is found by them.
_STOP = "a an and are as at be by for from if in is it its of on or self that the this to which with"
STOP = frozenset(_STOP.split())


def terms(text: str) -> Iterator[str]:
    """The terms of *text* in order: each word, an identifier as a whole and in its parts, without endings."""
    for word in _WORD.findall(text):
        yield from _of_word(word)


@lru_cache(maxsize=1 << 16)  # a code base says the same words again and again: 4 times as fast
def _of_word(word: str) -> tuple[str, ...]:
    if len(word) > _LONGEST:
        return ()
    parts = [part.lower() for part in _PART.findall(word)]
    whole = [word.lower()] if len(parts) > 1 else []
    return (*whole, *(stem(part) for part in parts if part not in STOP))


def chunk_terms(chunk: Chunk) -> tuple[str, ...]:
    """What *chunk* is found by: its text, its symbol several times, the names on its path."""
    symbol = tuple(terms(chunk.symbol)) * _SYMBOL_WEIGHT
    return (*symbol, *terms(chunk.path), *terms(chunk.text))


def query_terms(query: str) -> tuple[str, ...]:
    """What to look for: each term of *query* once."""
    return tuple(dict.fromkeys(terms(query)))


def matched(query: str, text: str) -> tuple[str, ...]:
    """The words of *query*, as they were typed, of which a term is in *text*."""
    inside = set(terms(text))
    return tuple(dict.fromkeys(word for word in _WORD.findall(query) if not inside.isdisjoint(terms(word))))


def stem(word: str) -> str:
    """*word* without the commonest English endings: ``returns``, ``returned``, ``returning`` -> ``return``."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2 and _VOWEL.search(rest):
            return rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
