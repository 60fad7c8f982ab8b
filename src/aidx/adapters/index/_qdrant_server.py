"""Points on a Qdrant server, through its own client."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aidx.adapters.index.qdrant import MEANING, TERMS, Payload, Point, Vector
from aidx.errors import EngineError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

PAGE = 1000  # points of one look at all of them
TIMEOUT_S = 60


class ServerPoints:
    """The points of *collection*; see ``qdrant.Points``."""

    def __init__(self, client: "QdrantClient", collection: str) -> None:
        from qdrant_client import models
        from qdrant_client.http.exceptions import ApiException
        from qdrant_client.http.exceptions import ResponseHandlingException as NoAnswer

        self._client, self._collection, self._models = client, collection, models
        self._errors = (ApiException, NoAnswer, ValueError)

    def length(self) -> int | None:
        """See ``qdrant.Points``."""
        with self._translated():
            if not self._client.collection_exists(self._collection):
                return None
            vectors = self._client.get_collection(self._collection).config.params.vectors
        return vectors[MEANING].size if isinstance(vectors, dict) and vectors else 0

    def make(self, length: int) -> None:
        """See ``qdrant.Points``."""
        models = self._models
        dense = {MEANING: models.VectorParams(size=length, distance=models.Distance.COSINE)} if length else {}
        sparse = {TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)}
        with self._translated():
            self._client.delete_collection(self._collection)
            self._client.create_collection(self._collection, vectors_config=dense, sparse_vectors_config=sparse)
            if self._remote:
                self._client.create_payload_index(self._collection, "path", models.PayloadSchemaType.KEYWORD)

    def write(self, points: Sequence[Point]) -> None:
        """See ``qdrant.Points``."""
        if not points:
            return
        made = [
            self._models.PointStruct(id=point.name, vector=self._vectors(point), payload=dict(point.payload))
            for point in points
        ]
        with self._translated():
            self._client.upsert(self._collection, made, wait=True)

    def drop(self, paths: Sequence[str]) -> None:
        """See ``qdrant.Points``."""
        models = self._models
        those = models.Filter(must=[models.FieldCondition(key="path", match=models.MatchAny(any=list(paths)))])
        with self._translated():
            self._client.delete(self._collection, models.FilterSelector(filter=those), wait=True)

    def heads(self) -> Iterator[Payload]:
        """See ``qdrant.Points``."""
        models = self._models
        stamped = models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key="stamp"))])
        after: Any = None
        while True:
            with self._translated():
                found, after = self._client.scroll(
                    self._collection, stamped, limit=PAGE, offset=after, with_payload=["path", "stamp"]
                )
            for each in found:
                yield each.payload or {}
            if after is None:
                return

    def query(self, using: str, vector: Vector, limit: int) -> list[tuple[Payload, float]]:
        """See ``qdrant.Points``."""
        asked: Any = list(vector)
        if isinstance(vector, Mapping):
            asked = self._models.SparseVector(indices=list(vector), values=list(vector.values()))
        with self._translated():
            found = self._client.query_points(self._collection, asked, using=using, limit=limit, with_payload=True)
        return [(each.payload or {}, each.score) for each in found.points]

    def close(self) -> None:
        """See ``qdrant.Points``."""
        self._client.close()

    @property
    def _remote(self) -> bool:
        """Whether there is a server: in the client's own store payloads have no index."""
        return "local" not in type(self._client._client).__module__  # noqa: SLF001 - it says so nowhere else

    def _vectors(self, point: Point) -> Any:  # noqa: ANN401 - the client's own union of types
        sparse = self._models.SparseVector(indices=list(point.terms), values=list(point.terms.values()))
        return {TERMS: sparse, **({MEANING: list(point.meaning)} if point.meaning else {})}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise EngineError(
                f"Qdrant: {' '.join(str(error).split())[:300]}",
                hint="Check [index] url and the variable in api_key_env, and whether the server runs.",
            ) from None


def client(url: str, key: str | None) -> "QdrantClient":
    """A client of the server at *url*; nothing is asked yet."""
    try:
        from qdrant_client import QdrantClient
    except ImportError:
        raise EngineError(
            "a Qdrant server is spoken to with qdrant-client, which is not installed",
            hint="Install it with pip install 'aidx-local[qdrant-server]'.",
        ) from None
    with warnings.catch_warnings():  # of a key without TLS, which the docs speak of: a line of Python is no help
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return QdrantClient(url=url, api_key=key, timeout=TIMEOUT_S, check_compatibility=False)
