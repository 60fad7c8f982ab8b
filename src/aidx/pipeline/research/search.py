"""One question to every namespace, by terms and by meaning."""

from collections.abc import Iterator, Mapping

from aidx.pipeline.research.rank import Answer, Proposal, fuse
from aidx.pipeline.research.terms import query_terms
from aidx.ports.retrieval import Embedder, Index

DEEP = 50  # hits of each search that go into the fusion: what is further down in one is rarely the best of all


def search(
    query: str, indexes: Mapping[str, Index], limit: int, embedder: Embedder | None = None
) -> tuple[Proposal, ...]:
    """At most *limit* proposals from *indexes* (by namespace), best first."""
    return fuse(_answers(query, indexes, max(DEEP, limit), embedder), query, limit)


def _answers(query: str, indexes: Mapping[str, Index], deep: int, embedder: Embedder | None) -> Iterator[Answer]:
    wanted = query_terms(query)
    (vector,) = embedder.embed([query]) if embedder is not None else ((),)
    for namespace, index in indexes.items():
        yield Answer(namespace, "terms", index.match(wanted, deep))
        if vector:
            yield Answer(namespace, "meaning", index.near(vector, deep))
