"""Points in Qdrant Edge, inside this process: a folder that one process at a time may use."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from aidx.adapters.index.qdrant import MEANING, TERMS, Payload, Point, Vector
from aidx.errors import EngineError

PAGE = 1000  # points of one look at all of them


class EdgePoints:
    """The points in *folder*; see ``qdrant.Points``. The length of dense vectors is the name of a folder in it."""

    def __init__(self, folder: Path) -> None:
        self._edge = _edge()
        self._folder = folder
        self._shard: Any = None
        found = [path for path in folder.glob("*") if path.name.isdigit()] if folder.is_dir() else []
        self._length = int(found[0].name) if found else None
        if found:
            with _Translated(folder):
                self._shard = self._edge.EdgeShard.load(str(found[0]))

    def length(self) -> int | None:
        """See ``qdrant.Points``."""
        return self._length

    def make(self, length: int) -> None:
        """See ``qdrant.Points``."""
        edge, place = self._edge, self._folder / str(length)
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        place.mkdir(parents=True)
        dense = {MEANING: edge.EdgeVectorParams(length, edge.Distance.Cosine)} if length else None
        sparse = {TERMS: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
        with _Translated(self._folder):
            self._shard = edge.EdgeShard.create(str(place), edge.EdgeConfig(vectors=dense, sparse_vectors=sparse))
            self._shard.update(edge.UpdateOperation.create_field_index("path", edge.PayloadSchemaType.Keyword))
        self._length = length

    def write(self, points: Sequence[Point]) -> None:
        """See ``qdrant.Points``."""
        edge = self._edge
        if not points:
            return
        made = [edge.Point(point.name, self._vectors(point), dict(point.payload)) for point in points]
        with _Translated(self._folder):
            self._shard.update(edge.UpdateOperation.upsert_points(made))

    def drop(self, paths: Sequence[str]) -> None:
        """See ``qdrant.Points``."""
        edge = self._edge
        those = edge.Filter(must=[edge.FieldCondition("path", match=edge.MatchAny(list(paths)))])
        with _Translated(self._folder):
            self._shard.update(edge.UpdateOperation.delete_points_by_filter(those))

    def heads(self) -> Iterator[Payload]:
        """See ``qdrant.Points``."""
        edge = self._edge
        stamped = edge.Filter(must_not=[edge.IsEmptyCondition("stamp")])
        after = None
        while True:
            asked = edge.ScrollRequest(offset=after, limit=PAGE, filter=stamped, with_payload=["path", "stamp"])
            with _Translated(self._folder):
                found, after = self._shard.scroll(asked)
            for each in found:
                yield each.payload
            if after is None:
                return

    def query(self, using: str, vector: Vector, limit: int) -> list[tuple[Payload, float]]:
        """See ``qdrant.Points``."""
        edge = self._edge
        sparse = isinstance(vector, Mapping)
        asked = edge.SparseVector(list(vector), list(vector.values())) if sparse else list(vector)  # type: ignore[union-attr]
        nearest = edge.Query.Nearest(asked, using=using)
        with _Translated(self._folder):
            found = self._shard.query(edge.QueryRequest(limit, query=nearest, with_payload=True))
        return [(each.payload, each.score) for each in found]

    def close(self) -> None:
        """See ``qdrant.Points``."""
        if self._shard is not None:
            with _Translated(self._folder):
                self._shard.flush()
                self._shard.close()
            self._shard = None

    def _vectors(self, point: Point) -> dict[str, Any]:
        sparse = self._edge.SparseVector(list(point.terms), list(point.terms.values()))
        return {TERMS: sparse, **({MEANING: list(point.meaning)} if point.meaning else {})}


class _Translated:
    """Qdrant Edge raises ``Exception`` itself, and nothing below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is Exception:
            raise EngineError(
                f"the index {self._folder} cannot be used: {error}",
                hint="Wait for the process that uses it, or delete the folder and index again.",
            ) from None


def _edge() -> Any:  # noqa: ANN401 - an extra
    try:
        import qdrant_edge
    except ImportError:
        raise EngineError(
            'store = "qdrant" needs qdrant-edge-py, which is not installed',
            hint="Install it with pip install 'aidx-local[qdrant]', or name a server: [index] url.",
        ) from None
    return qdrant_edge
