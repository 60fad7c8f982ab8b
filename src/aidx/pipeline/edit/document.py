"""A file's bytes as lines and back: byte order mark, encoding and line endings survive an edit."""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from aidx.pipeline.edit.refusal import EditRefusedError

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")  # PEP 263, in one of the first two lines
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
BYTEWISE = "latin-1"  # every byte is a character, so that unknown encodings survive


class Line(NamedTuple):
    """One line; *ending* is empty for a last line without one."""

    text: str
    ending: str


def split(text: str) -> tuple[Line, ...]:
    """The lines of *text*, each with its own line ending."""
    lines = (Line(*match.groups()) for match in _LINE.finditer(text))
    return tuple(line for line in lines if line.text or line.ending)


def usual_ending(lines: Sequence[Line]) -> str:
    """The most frequent line ending, a line feed where there is none."""
    endings = Counter(line.ending for line in lines if line.ending)
    return endings.most_common(1)[0][0] if endings else "\n"


class Document(Struct, frozen=True):
    """A text file: its *text*, and how it is written down.

    *guessed* says that the encoding is unknown and bytes stand for themselves: then only ASCII may be added.
    """

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""
    guessed: bool = False

    def encode(self, text: str) -> bytes:
        """*text* as this file writes it; raises ``EditRefusedError`` for characters that it cannot hold."""
        added = "".join(sorted(set(text) - set(self.text)))
        if self.guessed and not added.isascii():
            raise EditRefusedError("encoding", f"the file is not UTF-8, and {added!r} may not be what it means by it")
        try:
            return self.mark + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = error.object[error.start : error.start + 1]
            raise EditRefusedError("encoding", f"{character!r} does not exist in {self.encoding}") from None


def read(data: bytes) -> Document:
    """Decode *data* by its byte order mark, as UTF-8, by its coding line, or else byte by byte.

    Raises ``EditRefusedError`` for a file that is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return Document(_decode(data[len(mark) :], encoding), encoding, mark)
    if b"\0" in data:
        raise EditRefusedError("binary", "the file holds NUL bytes: it is no text")
    named = _named(data)
    if named is not None:
        return Document(_decode(data, named), named)
    try:
        return Document(data.decode("utf-8"))
    except UnicodeDecodeError:
        return Document(data.decode(BYTEWISE), BYTEWISE, guessed=True)


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise EditRefusedError("encoding", f"byte {error.start} of the file is no {encoding}") from None


def _named(data: bytes) -> str | None:
    """The encoding that a coding line names, where it is not UTF-8 and bytes round-trip in it."""
    for line in data.split(b"\n", 2)[:2]:
        if match := _COOKIE.match(line):
            try:
                name = codecs.lookup(match[1].decode("ascii")).name
            except LookupError:
                return None
            return name if name in _SINGLE else None
    return None


# Encodings in which one character is one byte: what is decoded is encoded to the same bytes.
_SINGLE = frozenset({"iso8859-1", "iso8859-15", "cp1252", "cp1251", "koi8-r", "iso8859-2", "cp1250", "iso8859-5"})
