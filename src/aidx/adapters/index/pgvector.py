"""An index in PostgreSQL with pgvector: BM25 as a product of sparse vectors, meaning as the cosine of dense ones.

Both searches look at every chunk that can matter, so that they are exact. All namespaces share two tables.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import starmap
from math import log
from typing import Any

from aidx.adapters.index._sparse import SIZE, wanted, weights
from aidx.errors import EngineError, InputError
from aidx.ports.retrieval import Chunk, Filed, Hit

CONNECT_S = 10
INSTALL = "Install it with pip install 'aidx-local[pgvector]'."
_TABLES = f"""
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS aidx_file (id bigserial PRIMARY KEY, namespace text NOT NULL, path text NOT NULL,
  stamp text NOT NULL, UNIQUE (namespace, path));
CREATE TABLE IF NOT EXISTS aidx_chunk (id bigserial PRIMARY KEY,
  file bigint NOT NULL REFERENCES aidx_file ON DELETE CASCADE, namespace text NOT NULL, symbol text NOT NULL,
  kind text NOT NULL, first integer NOT NULL, last integer NOT NULL, body bytea NOT NULL,
  terms integer[] NOT NULL, weights sparsevec({SIZE}) NOT NULL, embedding vector);
CREATE INDEX IF NOT EXISTS aidx_chunk_file ON aidx_chunk (file);
CREATE INDEX IF NOT EXISTS aidx_chunk_namespace ON aidx_chunk (namespace);
CREATE INDEX IF NOT EXISTS aidx_chunk_terms ON aidx_chunk USING gin (terms);
"""
_FOUND = (
    "SELECT path, symbol, kind, first, last, body, {score} AS score FROM aidx_chunk c JOIN aidx_file f ON f.id = file"
)
_MATCH = (
    f"{_FOUND.format(score='-(weights <#> %s::sparsevec)')} WHERE c.namespace = %s AND terms && %s::integer[] "
    "ORDER BY score DESC, path, first, c.id LIMIT %s"
)
_NEAR = (
    f"{_FOUND.format(score='1 - (embedding <=> %s::vector)')} WHERE c.namespace = %s AND embedding IS NOT NULL "
    "ORDER BY score DESC, path, first, c.id LIMIT %s"
)
_HOLDING = (
    "SELECT count(c.id) FROM unnest(%s::integer[]) WITH ORDINALITY AS asked (term, place) "
    "LEFT JOIN aidx_chunk c ON c.namespace = %s AND c.terms @> ARRAY[asked.term] GROUP BY place ORDER BY place"
)


class PgvectorIndex:
    """The chunks of *namespace* in the database at *url*; *password* is what the URL does not say."""

    def __init__(self, url: str, namespace: str, password: str | None = None) -> None:
        psycopg = _psycopg()
        self._namespace = namespace
        self._error: type[Exception] = psycopg.Error
        with self._translated():
            self._db = psycopg.connect(
                url, autocommit=True, connect_timeout=CONNECT_S, **({} if password is None else {"password": password})
            )
            try:
                with self._alone():
                    self._db.execute(_TABLES)
            except psycopg.Error:
                self._db.close()
                raise

    def stamps(self) -> Mapping[str, str]:
        """See ``retrieval.Index``."""
        with self._translated():
            return dict(self._rows("SELECT path, stamp FROM aidx_file WHERE namespace = %s", (self._namespace,)))

    def put(self, files: Iterable[Filed], gone: Iterable[str] = ()) -> None:
        """See ``retrieval.Index``; all of it in one transaction."""
        with self._translated(), self._alone():
            self._drop(list(gone))
            for file in files:
                self._drop([file.path])
                self._same_length({len(piece.vector) for piece in file.pieces})
                self._file(file)

    def match(self, terms: Iterable[str], limit: int) -> tuple[Hit, ...]:
        """See ``retrieval.Index``."""
        asked = list(wanted(terms))
        if not asked:
            return ()
        with self._translated():
            rarity = _sparse(dict(zip(asked, self._rarities(asked), strict=True)))
            return self._hits(_MATCH, (rarity, self._namespace, asked, limit))

    def near(self, vector: tuple[float, ...], limit: int) -> tuple[Hit, ...]:
        """See ``retrieval.Index``."""
        with self._translated():
            length = self._length()
            if length in {None, 0}:
                return ()
            if length != len(vector):
                raise InputError(
                    f"the index holds vectors of {length} numbers, and this one has {len(vector)}",
                    hint="Index again with the embedder that is configured now.",
                )
            return self._hits(_NEAR, (_dense(vector), self._namespace, limit))

    def close(self) -> None:
        """See ``retrieval.Index``."""
        self._db.close()

    def _file(self, file: Filed) -> None:
        made = "INSERT INTO aidx_file (namespace, path, stamp) VALUES (%s, %s, %s) RETURNING id"
        ((number,),) = self._rows(made, (self._namespace, file.path, file.stamp))
        rows = "file, namespace, symbol, kind, first, last, body, terms, weights, embedding"
        with self._db.cursor().copy(f"COPY aidx_chunk ({rows}) FROM STDIN") as copy:
            for piece in file.pieces:
                chunk, sparse = piece.chunk, weights(piece.terms)
                copy.write_row((
                    number,
                    self._namespace,
                    chunk.symbol.replace("\0", "\ufffd"),  # PostgreSQL's text holds no NUL
                    chunk.kind,
                    chunk.first,
                    chunk.last,
                    chunk.text.encode(),
                    list(sparse),
                    _sparse(sparse),
                    _dense(piece.vector) if piece.vector else None,
                ))  # fmt: skip

    def _drop(self, paths: Sequence[str]) -> None:
        order = "DELETE FROM aidx_file WHERE namespace = %s AND path = ANY(%s)"
        self._db.execute(order, (self._namespace, list(paths)))

    def _same_length(self, lengths: set[int]) -> None:
        """Empty the namespace where it holds vectors of another length."""
        held = self._length()
        if held is not None and lengths != {held}:
            self._db.execute("DELETE FROM aidx_file WHERE namespace = %s", (self._namespace,))

    def _length(self) -> int | None:
        """How long its vectors are, 0 where they are none, ``None`` where it is empty."""
        order = "SELECT coalesce(vector_dims(embedding), 0) FROM aidx_chunk WHERE namespace = %s LIMIT 1"
        found = self._rows(order, (self._namespace,))
        return int(found[0][0]) if found else None

    def _rarities(self, asked: list[int]) -> list[float]:
        """The rarity of each dimension, as FTS5 has it: never below a millionth."""
        ((total,),) = self._rows("SELECT count(*) FROM aidx_chunk WHERE namespace = %s", (self._namespace,))
        holding = [count for (count,) in self._rows(_HOLDING, (asked, self._namespace))]
        return [max(1e-6, log((total - count + 0.5) / (count + 0.5))) for count in holding]

    def _hits(self, order: str, values: tuple[object, ...]) -> tuple[Hit, ...]:
        rows = self._rows(order, values)
        return tuple(
            Hit(Chunk(path, symbol, kind, first, last, bytes(body).decode()), score)
            for path, symbol, kind, first, last, body, score in rows
        )

    def _rows(self, order: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._db.execute(order, values).fetchall()
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A transaction; of two processes that write one namespace the second waits."""
        with self._db.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(hashtext('aidx'), hashtext(%s))", (self._namespace,))
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise EngineError(
                f"PostgreSQL: {' '.join(str(error).split())}",
                hint="Check [index] url and the password's variable; the extension vector must be installed there.",
            ) from None


def _sparse(values: Mapping[int, float]) -> str:
    return f"{{{','.join(starmap('{}:{:.6g}'.format, sorted(values.items())))}}}/{SIZE}"


def _dense(vector: Sequence[float]) -> str:
    return f"[{','.join(map(repr, map(float, vector)))}]"


def _psycopg() -> Any:  # noqa: ANN401 - an extra
    try:
        import psycopg
    except ImportError:
        raise EngineError('store = "pgvector" needs psycopg, which is not installed', hint=INSTALL) from None
    return psycopg
