"""BM25 as sparse vectors, for stores that multiply: a chunk's weights here, the rarity of terms in the store."""

from collections import Counter
from collections.abc import Iterable, Mapping
from zlib import crc32

K1, B = 1.2, 0.75  # as FTS5
AVERAGE = 80  # terms of a chunk of the standard library; the length of others would have to be known when one is filed
SIZE = 1_000_000_000  # most dimensions of pgvector's sparsevec


def number(term: str) -> int:
    """The dimension of *term*, from 1; of 100,000 terms five share one with another."""
    return crc32(term.encode()) % SIZE + 1


def weights(terms: Iterable[str]) -> Mapping[int, float]:
    """What each term of a chunk counts for, without its rarity, by dimension and in ascending order."""
    counted = Counter(number(term) for term in terms)
    norm = K1 * (1 - B + B * counted.total() / AVERAGE)
    return {each: count * (K1 + 1) / (count + norm) for each, count in sorted(counted.items())}


def wanted(terms: Iterable[str]) -> tuple[int, ...]:
    """The dimensions of the terms of a query, each once, in ascending order."""
    return tuple(sorted({number(term) for term in terms}))
