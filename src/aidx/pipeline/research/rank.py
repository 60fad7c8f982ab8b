"""Several answers of several indexes become one list of proposals."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from aidx.pipeline.research.terms import matched
from aidx.ports.retrieval import Chunk, Hit

RRF = 60  # the constant of reciprocal rank fusion, as its authors gave it (Cormack, Clarke, Büttcher, SIGIR 2009)
NAMESPACES: Mapping[str, float] = {"project": 1.0, "global": 0.5}  # what is shared comes behind what is here


class Answer(Struct, frozen=True):
    """The *hits* of one search, best first: *how* is ``terms`` or ``meaning``."""

    namespace: str
    how: str
    hits: Sequence[Hit]


class Proposal(Struct, frozen=True):
    """A symbol, or a part of a file without one, that may be of use: *chunk* is its best part, *why* the reasons."""

    namespace: str
    chunk: Chunk
    score: float
    why: tuple[str, ...]

    @property
    def target(self) -> str:
        """``path::symbol`` for what a plan can name so, else the path."""
        named = self.chunk.symbol and self.chunk.kind in {"function", "class"}
        return f"{self.chunk.path}::{self.chunk.symbol}" if named else self.chunk.path


class _Found(Struct):
    chunk: Chunk
    best: int
    score: float = 0.0
    ranks: dict[str, int] = field(default_factory=dict)


def fuse(answers: Iterable[Answer], query: str, limit: int) -> tuple[Proposal, ...]:
    """At most *limit* proposals by reciprocal rank fusion; the parts of one symbol count once, as its best part.

    Scores of different searches are not comparable, ranks are. *query* is what was looked for.
    """
    found: dict[tuple[str, str, str, int], _Found] = {}
    for answer in answers:
        seen: set[tuple[str, str, str, int]] = set()
        for hit in answer.hits:
            key = _key(answer.namespace, hit.chunk)
            if key in seen:
                continue
            seen.add(key)
            rank = len(seen)
            each = found.setdefault(key, _Found(hit.chunk, rank))
            if rank < each.best:
                each.chunk, each.best = hit.chunk, rank
            each.score += NAMESPACES.get(answer.namespace, 1.0) / (RRF + rank)
            each.ranks[answer.how] = rank
    ordered = sorted(found.items(), key=lambda item: (-item[1].score, item[0]))[:limit]
    return tuple(Proposal(key[0], each.chunk, each.score, _why(each, query)) for key, each in ordered)


def _key(namespace: str, chunk: Chunk) -> tuple[str, str, str, int]:
    return namespace, chunk.path, chunk.symbol, 0 if chunk.symbol else chunk.first


def _why(found: _Found, query: str) -> tuple[str, ...]:
    chunk = found.chunk
    words = matched(query, f"{chunk.path} {chunk.symbol} {chunk.text}")
    reasons = []
    if "terms" in found.ranks:
        reasons.append(f"terms, rank {found.ranks['terms']}: {', '.join(words)}")
    if "meaning" in found.ranks:
        reasons.append(f"meaning, rank {found.ranks['meaning']}")
    return tuple(reasons)
