"""A place in bytes that arrive in pieces.

Functions that read are generators: they yield when they need more bytes and go on from there when more
were fed. Nothing is read twice, and what was passed is dropped, so that a skipped array costs no memory.
"""

import struct
from collections.abc import Generator
from contextlib import suppress
from typing import TypeAlias, TypeVar

from aidx.errors import HeaderError
from aidx.model.gguf import limits
from aidx.model.gguf.kinds import LENGTH

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]

CUT = "Download or copy the file again: it is cut short or damaged."


class Cursor:
    """Reads forward; *offset* counts bytes from the start of the file.

    Bytes past the end of the file (or past the largest header) are never looked at, whatever is fed.
    """

    __slots__ = ("_base", "_buffer", "_file_size", "_held", "_limit", "offset", "wanted")

    def __init__(self, file_size: int | None) -> None:
        self._buffer = bytearray()
        self._base = 0
        self._held: int | None = None
        self._file_size = file_size
        self._limit = limits.HEADER_BYTES if file_size is None else min(file_size, limits.HEADER_BYTES)
        self.offset = 0
        self.wanted = 0

    @property
    def fed(self) -> int:
        """Bytes of the file seen so far."""
        return self._base + len(self._buffer)

    @property
    def room(self) -> int:
        """Bytes that can still follow."""
        return self._limit - self.offset

    def feed(self, data: bytes) -> None:
        """Append *data* and drop what was passed and is not held."""
        buffer = self._buffer
        buffer += data[: self._limit - self.fed]
        keep_from = self.offset if self._held is None else self._held
        passed = min(keep_from - self._base, len(buffer))
        if passed:
            del buffer[:passed]  # CPython moves the start of a bytearray, it copies nothing
            self._base += passed

    def close(self) -> None:
        """Drop every byte."""
        self._base = self.fed
        self._buffer = bytearray()

    def check_room(self, size: int, field: str) -> None:
        """Refuse *field* when its *size* bytes cannot all follow the offset."""
        room = self.room
        if size <= room:
            return
        if self._file_size is not None and self.offset + size > self._file_size:
            raise HeaderError(
                f"the file ends too early: {size} bytes needed, {max(room, 0)} left",
                offset=self.offset,
                field=field,
                hint=CUT,
            )
        raise HeaderError(f"the header is larger than {limits.HEADER_BYTES} bytes", offset=self.offset, field=field)

    def wait(self, size: int, field: str) -> Steps[None]:
        """Return as soon as *size* bytes stand at the offset."""
        end = self.offset + size
        if end > self._base + len(self._buffer):
            self.check_room(size, field)
            self.wanted = end
            while end > self._base + len(self._buffer):
                yield

    def unpack(self, layout: struct.Struct) -> tuple[int | float, ...]:
        """Take what *layout* says; the bytes were waited for."""
        values = layout.unpack_from(self._buffer, self.offset - self._base)
        self.offset += layout.size
        return values

    def word(self, layout: struct.Struct) -> int:
        """Take one integer; its bytes were waited for."""
        (value,) = layout.unpack_from(self._buffer, self.offset - self._base)
        self.offset += layout.size
        return int(value)

    def take(self, size: int) -> bytes:
        """Take *size* bytes that were waited for."""
        start = self.offset - self._base
        self.offset += size
        return bytes(memoryview(self._buffer)[start : start + size])  # one copy, not two: it may be large

    def skip(self, size: int, field: str) -> None:
        """Pass *size* bytes, which need not have been fed yet."""
        self.check_room(size, field)
        self.offset += size

    def strings(self, count: int, field: str, *, keep: bool) -> Steps[bytes | None]:
        """Pass *count* strings; returns their encoding when *keep* says so."""
        start = self.offset
        self._held = start if keep else None
        while True:
            count = self._walk(count, field)
            if not count:
                break
            yield from self.wait(LENGTH.size, field)
        if not keep:
            return None
        end, self.offset = self.offset, start
        yield from self.wait(end - start, field)
        self._held = None
        return self.take(end - start)

    def _walk(self, count: int, field: str) -> int:
        """Pass up to *count* strings whose lengths were fed; returns how many are left.

        300,000 strings are normal, so the loop only adds: a length that was not fed yet shows as
        ``struct.error``, and a string that leads out of the file is looked at afterwards, since the next
        length cannot be read then.
        """
        unpack, buffer, longest = LENGTH.unpack_from, self._buffer, limits.STRING_BYTES
        here = self.offset - self._base
        left, size = count, 0
        with suppress(struct.error):
            for left in range(count, 0, -1):  # noqa: B007 - read after the loop, which may end early
                (size,) = unpack(buffer, here)
                if size > longest:
                    raise HeaderError(
                        f"a string of {size} bytes is over the limit of {longest}",
                        offset=self._base + here,
                        field=field,
                    )
                here += size + LENGTH.size
            left = 0
        passed = self._base + here
        if left < count and passed > self._limit:
            self.offset = passed - size - LENGTH.size
            self.check_room(size + LENGTH.size, field)
        self.offset = passed
        return left
