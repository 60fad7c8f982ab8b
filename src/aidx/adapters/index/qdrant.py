"""An index in Qdrant: BM25 as sparse vectors whose rarity the store knows, meaning as dense ones.

The same points lie in Qdrant Edge, inside this process, or on a server; what differs is in ``_qdrant_edge`` and
``_qdrant_server``. A file's first point carries its stamp and is written last: without it a file was cut off.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol
from uuid import NAMESPACE_URL, uuid5

from aidx.adapters.index._sparse import wanted, weights
from aidx.errors import InputError
from aidx.ports.retrieval import Chunk, Filed, Hit, Piece

AT_ONCE = 256  # points of one write
TERMS, MEANING = "terms", "meaning"
Payload = Mapping[str, Any]
Vector = Mapping[int, float] | Sequence[float]  # sparse, or dense


class Point(NamedTuple):
    """A chunk as Qdrant keeps it; *meaning* is empty where nobody embedded it."""

    name: str
    terms: Mapping[int, float]
    meaning: Sequence[float]
    payload: Payload


class Points(Protocol):
    """A collection of points, here or on a server; every method raises ``EngineError`` where it cannot be used."""

    def length(self) -> int | None:
        """How long its dense vectors are, 0 where it has none, ``None`` where there is no collection yet."""
        ...

    def make(self, length: int) -> None:
        """Begin anew, with dense vectors of that length."""
        ...

    def write(self, points: Sequence[Point]) -> None:
        """Take them in."""
        ...

    def drop(self, paths: Sequence[str]) -> None:
        """Delete the points of *paths*."""
        ...

    def heads(self) -> Iterator[Payload]:
        """The payload of every point with a stamp."""
        ...

    def query(self, using: str, vector: Vector, limit: int) -> list[tuple[Payload, float]]:
        """The points nearest to *vector*, best first."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class QdrantIndex:
    """The chunks of one namespace in *points*."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def stamps(self) -> Mapping[str, str]:
        """See ``retrieval.Index``."""
        if self._points.length() is None:
            return {}
        return {payload["path"]: payload["stamp"] for payload in self._points.heads()}

    def put(self, files: Iterable[Filed], gone: Iterable[str] = ()) -> None:
        """See ``retrieval.Index``; file by file."""
        if (paths := list(gone)) and self._points.length() is not None:
            self._points.drop(paths)
        waiting = iter(files)
        while some := list(islice(waiting, 16)):
            self._same_length({len(piece.vector) for file in some for piece in file.pieces})
            self._points.drop([file.path for file in some])
            every = [point for file in some for point in _points(file)]
            for start in range(0, len(every), AT_ONCE):
                self._points.write([point for point in every[start : start + AT_ONCE] if "stamp" not in point.payload])
            self._points.write([point for point in every if "stamp" in point.payload])

    def match(self, terms: Iterable[str], limit: int) -> tuple[Hit, ...]:
        """See ``retrieval.Index``."""
        asked = wanted(terms)
        if not asked or self._points.length() is None:
            return ()
        return _hits(self._points.query(TERMS, dict.fromkeys(asked, 1.0), limit))

    def near(self, vector: tuple[float, ...], limit: int) -> tuple[Hit, ...]:
        """See ``retrieval.Index``."""
        length = self._points.length()
        if not length:
            return ()
        if length != len(vector):
            raise InputError(
                f"the index holds vectors of {length} numbers, and this one has {len(vector)}",
                hint="Index again with the embedder that is configured now.",
            )
        return _hits(self._points.query(MEANING, vector, limit))

    def close(self) -> None:
        """See ``retrieval.Index``."""
        self._points.close()

    def _same_length(self, lengths: set[int]) -> None:
        if lengths != {self._points.length()}:
            self._points.make(max(lengths))


def _points(file: Filed) -> Iterator[Point]:
    for number, piece in enumerate(file.pieces):
        head = {} if number else {"stamp": file.stamp}
        name = str(uuid5(NAMESPACE_URL, f"{file.path}\0{number}"))
        yield Point(name, weights(piece.terms), piece.vector, {**_payload(piece), **head})


def _payload(piece: Piece) -> dict[str, Any]:
    chunk = piece.chunk
    return {name: getattr(chunk, name) for name in ("path", "symbol", "kind", "first", "last", "text")}


def _hits(found: Iterable[tuple[Payload, float]]) -> tuple[Hit, ...]:
    hits = [
        Hit(Chunk(*(payload[name] for name in ("path", "symbol", "kind", "first", "last", "text"))), score)
        for payload, score in found
    ]
    return tuple(sorted(hits, key=lambda hit: (-hit.score, hit.chunk.path, hit.chunk.first, hit.chunk.symbol)))
