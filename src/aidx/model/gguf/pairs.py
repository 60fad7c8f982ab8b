"""Key-value pairs of a header."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from aidx.errors import HeaderError
from aidx.model.gguf import limits
from aidx.model.gguf.cursor import Cursor, Steps
from aidx.model.gguf.kinds import (
    ALIGNMENT_KEY,
    ARRAY,
    BOOL,
    LENGTH,
    NAMES,
    SCALARS,
    STRING,
    U32,
    WORD,
)
from aidx.model.gguf.names import read_name, shown
from aidx.model.spec import Array, Value

SMALLEST = LENGTH.size + 1 + WORD.size + 1
"""Bytes of a pair with a key of one byte and a value of one byte."""

Keep: TypeAlias = Callable[[str], bool]


class Pairs(NamedTuple):
    """*values* in file order; *kinds* says how each that is not an array was written."""

    values: dict[str, Value]
    kinds: dict[str, int]


def read_pairs(cursor: Cursor, count: int, keep: Keep) -> Steps[Pairs]:
    """Read *count* pairs; *keep* says for a key whether its array's bytes are wanted."""
    pairs = Pairs({}, {})
    for index in range(count):
        start = cursor.offset
        field = f"key {index}"
        key = yield from read_name(cursor, field, limits.KEY_BYTES)
        if key in pairs.values:
            raise HeaderError(f"duplicate key {shown(key)}", offset=start, field=field)
        field = f"type of {shown(key)}"
        yield from cursor.wait(WORD.size, field)
        start = cursor.offset
        kind = cursor.word(WORD)
        if kind == ARRAY:
            pairs.values[key] = yield from _read_array(cursor, key, keep=keep(key))
        elif kind == STRING:
            pairs.values[key] = yield from _read_string(cursor, f"value of {shown(key)}")
        elif kind in SCALARS:
            pairs.values[key] = yield from _read_scalar(cursor, f"value of {shown(key)}", kind)
        else:
            raise HeaderError(f"unknown value type {kind}", offset=start, field=field)
        if kind != ARRAY:
            pairs.kinds[key] = kind
        if key == ALIGNMENT_KEY:
            _check_alignment(pairs.values[key], kind, start)
    return pairs


def _check_alignment(value: Value, kind: int, place: int) -> None:
    """Refuse an alignment that the engine refuses; *place* is where the value's type stands."""
    field = f"value of {shown(ALIGNMENT_KEY)}"
    if kind != U32:
        raise HeaderError(f"must be a u32, not {NAMES[kind]}", offset=place, field=field)
    assert isinstance(value, int)
    if not 0 < value <= limits.ALIGNMENT or value & (value - 1):
        raise HeaderError(
            f"{value} is not a power of two up to {limits.ALIGNMENT}", offset=place + WORD.size, field=field
        )


def _read_scalar(cursor: Cursor, field: str, kind: int) -> Steps[Value]:
    layout = SCALARS[kind]
    yield from cursor.wait(layout.size, field)
    start = cursor.offset
    (value,) = cursor.unpack(layout)
    if kind != BOOL:
        return value
    if value not in (0, 1):
        raise HeaderError(f"a bool is 0 or 1, not {value}", offset=start, field=field)
    return bool(value)


def _read_string(cursor: Cursor, field: str) -> Steps[str]:
    """Read a string; bytes that are not UTF-8 become U+FFFD, because it is shown to people only."""
    yield from cursor.wait(LENGTH.size, field)
    start = cursor.offset
    size = cursor.word(LENGTH)
    if size > limits.STRING_BYTES:
        raise HeaderError(
            f"a string of {size} bytes is over the limit of {limits.STRING_BYTES}", offset=start, field=field
        )
    yield from cursor.wait(size, field)
    return cursor.take(size).decode(errors="replace")


def _read_array(cursor: Cursor, key: str, *, keep: bool) -> Steps[Array]:
    field = f"array {shown(key)}"
    yield from cursor.wait(WORD.size + LENGTH.size, field)
    start = cursor.offset
    kind = cursor.word(WORD)
    count = cursor.word(LENGTH)
    if kind == ARRAY:
        raise HeaderError("an array of arrays is not supported", offset=start, field=field)
    if kind != STRING and kind not in SCALARS:
        raise HeaderError(f"unknown item type {kind}", offset=start, field=field)
    width = LENGTH.size if kind == STRING else SCALARS[kind].size
    most = limits.STRINGS if kind == STRING else limits.NUMBERS
    if count > most or count * width > cursor.room:
        raise HeaderError(
            f"{count} items of {NAMES[kind]} are impossible here: {max(cursor.room, 0)} bytes are left"
            f" and {most} items allowed",
            offset=start + WORD.size,
            field=field,
        )
    if kind == STRING:
        return Array(kind, count, (yield from cursor.strings(count, field, keep=keep)))
    return Array(kind, count, (yield from _read_numbers(cursor, kind, count * width, field, keep=keep)))


def _read_numbers(cursor: Cursor, kind: int, size: int, field: str, *, keep: bool) -> Steps[bytes | None]:
    if not keep:
        cursor.skip(size, field)
        return None
    yield from cursor.wait(size, field)
    start = cursor.offset
    data = cursor.take(size)
    if kind == BOOL:
        wrong = data.lstrip(b"\0\1")
        if wrong:
            raise HeaderError(f"a bool is 0 or 1, not {wrong[0]}", offset=start + len(data) - len(wrong), field=field)
    return data
