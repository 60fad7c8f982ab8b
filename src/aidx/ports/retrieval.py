"""The ports of retrieval: stores of chunks, models that embed, and the values that go through them.

Every implementation passes ``tests/contract/test_index.py``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import NamedTuple, Protocol

from msgspec import Struct

from aidx.errors import EngineError, InputError

DEEPEST = 100  # folders on the way to a file that is indexed or edited; people have far fewer


class SourceFile(NamedTuple):
    """A file that may be indexed: its *path* below the root, ``/`` between its parts, and its bytes."""

    path: str
    data: bytes


class Skipped(NamedTuple):
    """A file or folder that is not indexed, and why."""

    path: str
    reason: str


class Definition(NamedTuple):
    """Something that source code defines: its dotted *name*, and lines *first* to *last* (from 1, both in it).

    *kind* is ``function`` for what is one piece, ``class`` for what holds others.
    """

    name: str
    kind: str
    first: int
    last: int


class Outline(Protocol):
    """What knows where source code in some languages defines something."""

    def version(self, path: str) -> str:
        """What it would use for the file at *path*, '' where it knows nothing of it."""
        ...

    def definitions(self, path: str, text: str) -> Sequence[Definition] | None:
        """What *text* defines, as far as that can be told; ``None`` where it knows nothing of *path*."""
        ...


class Chunk(Struct, frozen=True):
    """A part of a file that is found as a whole: lines *first* to *last* (from 1, both in it), and their *text*.

    *symbol* is its dotted name, '' where it has none; *kind* is ``function``, ``class``, ``section``, ``text``, ….
    """

    path: str
    symbol: str
    kind: str
    first: int
    last: int
    text: str


class Piece(Struct, frozen=True):
    """A chunk as it is filed: the *terms* that it is found by, and the *vector* that a model made of it, if one did."""

    chunk: Chunk
    terms: tuple[str, ...]
    vector: tuple[float, ...] = ()


class Filed(Struct, frozen=True):
    """All *pieces* of the file at *path*, at least one; *stamp* says what they were made of, and how."""

    path: str
    stamp: str
    pieces: tuple[Piece, ...]


class Hit(NamedTuple):
    """A chunk that was found; a higher *score* is better, and means something within one answer only."""

    chunk: Chunk
    score: float


class Index(Protocol):
    """The chunks of one namespace. Its vectors are of one length: files with others replace all that is in it.

    Every method raises ``EngineError`` where the store is missing, busy or broken.
    """

    def stamps(self) -> Mapping[str, str]:
        """The stamp of every file that is in it as a whole."""
        ...

    def put(self, files: Iterable[Filed], gone: Iterable[str] = ()) -> None:
        """Take in *files* in place of what was there of them, and drop the paths *gone*.

        Cut off at any point, a file is either in it as a whole or has no stamp.
        """
        ...

    def match(self, terms: Iterable[str], limit: int) -> tuple[Hit, ...]:
        """At most *limit* chunks that have any of *terms*, by BM25, best first; ties in a fixed order."""
        ...

    def near(self, vector: tuple[float, ...], limit: int) -> tuple[Hit, ...]:
        """At most *limit* chunks, by the cosine of their vector and *vector*, best first; none where it holds none.

        Raises ``InputError`` for a vector of another length.
        """
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class TextRefusedError(InputError):
    """One of several texts is too long for the model; *done* are the vectors of those before it, which are not lost."""

    def __init__(self, message: str, *, hint: str, done: tuple[tuple[float, ...], ...]) -> None:
        super().__init__(message, hint=hint)
        self.done = done


class Embedder(Protocol):
    """A model that turns texts into vectors; *name* tells it from others."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def embed(self, texts: Iterable[str]) -> tuple[tuple[float, ...], ...]:
        """A vector for each of *texts*, all of one length; blocks until the model has answered.

        Raises ``InputError`` where a text is too long, ``TextRefusedError`` where it knows which; ``EngineError`` for
        a model that fails.
        """
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...


def vectors_in(body: bytes, count: int) -> tuple[tuple[float, ...], ...]:
    """The *count* vectors of an answer of ``/v1/embeddings``, in the order of the texts.

    Raises ``EngineError`` for an answer that does not hold just these, all of one length.
    """
    try:
        data = sorted(json.loads(body)["data"], key=lambda each: each["index"])
        vectors = tuple(tuple(map(float, each["embedding"])) for each in data)
        numbered = [each["index"] for each in data] == list(range(count))
    except (ValueError, KeyError, TypeError):
        raise EngineError("the engine's answer holds no embeddings", hint="Check that its model makes them.") from None
    lengths = {len(vector) for vector in vectors}
    if not numbered or len(lengths) != 1 or 0 in lengths or not all(isfinite(x) for vector in vectors for x in vector):
        raise EngineError(
            f"the engine's answer does not hold {count} embeddings of one length", hint="Check its model."
        )
    return vectors
