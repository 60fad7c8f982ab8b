"""An index in one SQLite file: terms in an FTS5 table, vectors as blobs beside them."""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aidx.errors import EngineError, InputError
from aidx.ports.retrieval import Chunk, Filed, Hit

LAYOUT = 1  # of the tables below: a file with another one is made anew, since all that is in it can be
BUSY_S = 10.0  # for another process that is writing
_TABLES = """
CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL);
CREATE TABLE chunk (id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES file ON DELETE CASCADE,
  symbol TEXT NOT NULL, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX chunk_file ON chunk (file);
CREATE TABLE vector (chunk INTEGER PRIMARY KEY REFERENCES chunk ON DELETE CASCADE, data BLOB NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (terms, tokenize = "unicode61 remove_diacritics 0 tokenchars '_'");
CREATE TRIGGER chunk_gone AFTER DELETE ON chunk BEGIN DELETE FROM words WHERE rowid = old.id; END;
"""
_FOUND = "SELECT path, symbol, kind, first, last, text FROM chunk JOIN file ON file.id = chunk.file WHERE chunk.id = ?"

_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})  # the latter two on a full tmpfs


class Fts5Index:
    """The index in the file at *path*, which is made where it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(
                f"cannot make {path.parent}: {error.strerror}", hint="Make the folder writable."
            ) from None
        with self._translated():
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            try:
                self._prepare()
            except sqlite3.Error:
                self._db.close()
                raise
        self._matrix: tuple[list[int], Any] | None = None

    def stamps(self) -> Mapping[str, str]:
        """See ``retrieval.Index``."""
        with self._translated():
            return dict(self._db.execute("SELECT path, stamp FROM file"))

    def put(self, files: Iterable[Filed], gone: Iterable[str] = ()) -> None:
        """See ``retrieval.Index``; all of it in one transaction."""
        with self._writing():
            for path in gone:
                self._drop(path)
            for file in files:
                self._file(file)
        self._matrix = None

    def match(self, terms: Iterable[str], limit: int) -> tuple[Hit, ...]:
        """See ``retrieval.Index``."""
        wanted = " OR ".join(f'"{term}"' for term in dict.fromkeys(terms))
        if not wanted:
            return ()
        order = "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank, rowid LIMIT ?"
        with self._translated():
            return self._hits(self._db.execute(order, (wanted, limit)).fetchall())

    def near(self, vector: tuple[float, ...], limit: int) -> tuple[Hit, ...]:
        """See ``retrieval.Index``; every vector is looked at."""
        numpy = _numpy()
        ids, matrix = self._vectors(numpy)
        if not ids:
            return ()
        if matrix.shape[1] != len(vector):
            raise InputError(
                f"the index holds vectors of {matrix.shape[1]} numbers, and this one has {len(vector)}",
                hint="Index again with the embedder that is configured now.",
            )
        scores = matrix @ _unit(numpy, numpy.asarray([vector], dtype=numpy.float32))[0]
        best = numpy.lexsort((ids, -scores))[:limit]
        with self._translated():
            return self._hits([(ids[place], float(scores[place])) for place in best])

    def close(self) -> None:
        """See ``retrieval.Index``."""
        self._db.close()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # after a power cut the last files are indexed again
        if self._layout() == LAYOUT:
            return
        with self._transaction():
            if self._layout() != LAYOUT:  # nobody else was faster
                self._make()

    def _layout(self) -> int:
        (layout,) = self._db.execute("PRAGMA user_version").fetchone()
        return int(layout)

    def _make(self) -> None:
        for table in ("words", "vector", "chunk", "file"):
            self._db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _statements(_TABLES):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {LAYOUT}")

    def _file(self, file: Filed) -> None:
        self._drop(file.path)
        self._same_length({len(piece.vector) for piece in file.pieces})
        (number,) = self._db.execute(
            "INSERT INTO file (path, stamp) VALUES (?, ?) RETURNING id", (file.path, file.stamp)
        ).fetchone()
        for piece in file.pieces:
            chunk = piece.chunk
            row = (number, chunk.symbol, chunk.kind, chunk.first, chunk.last, chunk.text)
            made = self._db.execute(
                "INSERT INTO chunk (file, symbol, kind, first, last, text) VALUES (?, ?, ?, ?, ?, ?)", row
            ).lastrowid
            self._db.execute("INSERT INTO words (rowid, terms) VALUES (?, ?)", (made, " ".join(piece.terms)))
            if piece.vector:
                self._db.execute("INSERT INTO vector VALUES (?, ?)", (made, array("f", piece.vector).tobytes()))

    def _drop(self, path: str) -> None:
        self._db.execute("DELETE FROM file WHERE path = ?", (path,))

    def _same_length(self, lengths: set[int]) -> None:
        """Empty the index where it holds vectors of another length."""
        held = self._db.execute("SELECT length(data) / 4 FROM vector LIMIT 1").fetchone()
        any_chunk = self._db.execute("SELECT 1 FROM chunk LIMIT 1").fetchone()
        now = held[0] if held else 0
        if any_chunk and lengths != {now}:
            self._db.execute("DELETE FROM file")

    def _hits(self, rows: Iterable[tuple[int, float]]) -> tuple[Hit, ...]:
        return tuple(Hit(Chunk(*self._db.execute(_FOUND, (number,)).fetchone()), score) for number, score in rows)

    def _vectors(self, numpy: Any) -> tuple[list[int], Any]:  # noqa: ANN401 - numpy is not always there
        """The chunks that have vectors, and these as rows of length one; read once between two changes."""
        if self._matrix is None:
            with self._translated():
                rows = self._db.execute("SELECT chunk, data FROM vector ORDER BY chunk").fetchall()
            flat = numpy.frombuffer(b"".join(data for _, data in rows), dtype=numpy.float32)
            matrix = flat.reshape(len(rows), -1) if rows else flat
            self._matrix = [number for number, _ in rows], _unit(numpy, matrix) if rows else matrix
        return self._matrix

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._translated(), self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:  # commits, or rolls back
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") in _FULL:
                raise InputError(
                    f"cannot write {self._path}: {error}", hint="Free some space there.", code="cannot_write"
                ) from None
            raise EngineError(
                f"the index {self._path} cannot be used: {error}",
                hint="Wait for whoever uses it, or delete the file and index again.",
            ) from None


def _statements(script: str) -> Iterator[str]:
    """``executescript`` would commit the transaction it is in."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _unit(numpy: Any, matrix: Any) -> Any:  # noqa: ANN401 - numpy is not always there
    lengths = numpy.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / numpy.where(lengths == 0, 1, lengths)


def _numpy() -> Any:  # noqa: ANN401 - an extra
    try:
        import numpy as np
    except ImportError:
        raise EngineError(
            "vectors are compared with numpy, which is not installed",
            hint="Install it with pip install 'aidx-local[dense]', or index without an embedder.",
        ) from None
    return np
