"""Reads the header of a GGUF file from bytes, wherever they come from.

Feed bytes, ask for the header, feed more while the answer is ``NEED_DATA``::

    reader = Reader(file_size)
    while (header := reader.next()) is NEED_DATA:
        reader.feed(more(reader.needed))

Files are untrusted: whatever is fed, the answer is a header, ``NEED_DATA`` or ``HeaderError``, after at
most one pass over the bytes and with no more memory than what is kept of them.
"""

from enum import Enum
from typing import Final, Literal

from aidx.errors import HeaderError
from aidx.model.gguf import infos, limits, pairs
from aidx.model.gguf.cursor import CUT, Cursor, Steps
from aidx.model.gguf.kinds import ALIGNMENT, ALIGNMENT_KEY, LENGTH, MAGIC, VERSION, WORD, padded
from aidx.model.gguf.names import shown
from aidx.model.spec import Header


class NeedData(Enum):
    """The answer while bytes are missing."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA

_OTHERS: Final = {
    b"FUGG": "a big-endian GGUF file, which is not supported",
    b"tjgg": "a file of the GGJT format, which came before GGUF",
    b"lmgg": "a file of the GGML format, which came before GGUF",
    b"PK\3\4": "a ZIP archive (a PyTorch checkpoint?), not a GGUF model",
}
_CONVERT = "Convert the model again with a current llama.cpp (convert_hf_to_gguf.py)."


def keeps_array(key: str) -> bool:
    """Every array but the tokenizer's, which hold 10^5 items and matter only to who counts tokens."""
    return not key.startswith("tokenizer.")


def keeps_every_array(key: str) -> bool:  # noqa: ARG001 - the signature of a Keep
    """Arrays of the tokenizer too."""
    return True


class Reader:
    """Parses one header; *file_size* in bytes, ``None`` when it is unknown (only a prefix is there).

    *keep* says for a key whether the bytes of its array are kept; the count always is.
    """

    __slots__ = ("_cursor", "_error", "_header", "_steps")

    def __init__(self, file_size: int | None, *, keep: pairs.Keep = keeps_array) -> None:
        self._cursor = Cursor(file_size)
        self._steps = _read(self._cursor, file_size, keep)
        self._header: Header | None = None
        self._error: HeaderError | None = None

    def feed(self, data: bytes) -> None:
        """Append *data*, the bytes after those fed before; bytes after the header do no harm."""
        if self._header is None and self._error is None:
            self._cursor.feed(data)

    def next(self) -> Header | Literal[NeedData.NEED_DATA]:
        """Return the header, or ``NEED_DATA``; raises ``HeaderError``, the same one when asked again."""
        if self._error is not None:
            raise self._error
        if self._header is not None:
            return self._header
        try:
            next(self._steps)
        except StopIteration as stop:
            self._header = stop.value
            self._cursor.close()
            return self._header
        except HeaderError as error:
            self._error = error
            self._cursor.close()
            raise
        return NEED_DATA

    @property
    def needed(self) -> int:
        """Bytes without which ``next`` cannot get further; 0 when it is done."""
        if self._header is not None or self._error is not None:
            return 0
        return max(self._cursor.wanted - self._cursor.fed, 0)


def _read(cursor: Cursor, file_size: int | None, keep: pairs.Keep) -> Steps[Header]:
    version = yield from _read_version(cursor)
    tensor_count, pair_count = yield from _read_counts(cursor)
    metadata, kinds = yield from pairs.read_pairs(cursor, pair_count, keep)
    alignment = metadata.get(ALIGNMENT_KEY, ALIGNMENT)
    assert isinstance(alignment, int)
    found = yield from infos.read_infos(cursor, tensor_count, alignment)
    infos.check_data(found, header_size=cursor.offset, alignment=alignment, file_size=file_size)
    return Header(
        metadata=metadata,
        tensors=tuple(info.tensor for info in found),
        size=padded(cursor.offset, alignment),
        alignment=alignment,
        version=version,
        kinds=kinds,
    )


def _read_version(cursor: Cursor) -> Steps[int]:
    yield from cursor.wait(len(MAGIC), "magic")
    magic = cursor.take(len(MAGIC))
    if magic != MAGIC:
        what = _OTHERS.get(magic, f"not a GGUF file: it starts with {shown(magic.decode('latin-1'))}")
        raise HeaderError(what, offset=0, field="magic", hint="Name a .gguf model file.")
    yield from cursor.wait(WORD.size, "version")
    start = cursor.offset
    version = cursor.word(WORD)
    if version in (2, VERSION):
        return version
    if version & 0xFFFF == 0:
        what = "a big-endian GGUF file, which is not supported"
    else:
        what = f"GGUF version {version} is not supported, 2 and {VERSION} are"
    raise HeaderError(what, offset=start, field="version", hint=_CONVERT)


def _read_counts(cursor: Cursor) -> Steps[tuple[int, int]]:
    """Read how many tensors and pairs follow; refuses counts for which the file has no room."""
    counts = []
    for field, most, smallest in (
        ("tensor count", limits.TENSORS, infos.SMALLEST),
        ("metadata count", limits.PAIRS, pairs.SMALLEST),
    ):
        yield from cursor.wait(LENGTH.size, field)
        start = cursor.offset
        count = cursor.word(LENGTH)
        if count > most:
            raise HeaderError(f"{count} is over the limit of {most}", offset=start, field=field)
        if count * smallest > cursor.room:
            raise HeaderError(
                f"{count} cannot fit into the {cursor.room} bytes that are left",
                offset=start,
                field=field,
                hint=CUT,
            )
        counts.append(count)
    return counts[0], counts[1]
