"""Metadata arrays as Python values, and back."""

from collections.abc import Sequence
from struct import error as struct_error
from struct import pack, unpack
from typing import NoReturn

from aidx.errors import InputError
from aidx.model.gguf import limits
from aidx.model.gguf.kinds import BOOL, F32, F64, LENGTH, LETTERS, NAMES, SCALARS, STRING
from aidx.model.spec import Array

Items = tuple[int, ...] | tuple[float, ...] | tuple[bool, ...] | tuple[str, ...]


def decode(array: Array, *, most: int = limits.DECODED) -> Items:
    """Return the items: strings, bools, floats or ints, as the array's kind says.

    Raises ``InputError`` for an array that was skipped, holds more than *most* items or does not hold what
    it says. Bytes that are not UTF-8 become U+FFFD; ``raw_strings`` keeps them.
    """
    if array.kind == STRING:
        return tuple(item.decode(errors="replace") for item in raw_strings(array, most=most))
    data = _data(array, most)
    if array.kind not in SCALARS:
        raise InputError(f"an array of unknown kind {array.kind} has no items")
    if len(data) != array.count * SCALARS[array.kind].size:
        _refuse(array)
    items = unpack(f"<{array.count}{LETTERS[array.kind]}", data)
    return tuple(map(bool, items)) if array.kind == BOOL else items


def integers(array: Array, *, most: int = limits.DECODED) -> tuple[int, ...]:
    """Return the items of an array of integers (or bools, as 0 and 1); raises like ``decode``."""
    if array.kind in (STRING, F32, F64):
        raise InputError(f"an array of integers is wanted, not of {NAMES[array.kind]}")
    return tuple(map(int, decode(array, most=most)))


def raw_strings(array: Array, *, most: int = limits.DECODED) -> tuple[bytes, ...]:
    """Return the items of an array of strings as they stand in the file; raises like ``decode``."""
    if array.kind != STRING:
        name = NAMES[array.kind] if array.kind in SCALARS else f"kind {array.kind}"
        raise InputError(f"an array of strings is wanted, not of {name}")
    data = _data(array, most)
    items = []
    here = 0
    for _ in range(array.count):
        start = here + LENGTH.size
        if start > len(data):
            _refuse(array)
        here = start + LENGTH.unpack_from(data, start - LENGTH.size)[0]
        if here > len(data):
            _refuse(array)
        items.append(data[start:here])
    if here != len(data):
        _refuse(array)
    return tuple(items)


def encode(kind: int, items: Sequence[float | str | bytes]) -> Array:
    """Return *items* as an array of *kind*; raises ``InputError`` when one is not of that kind."""
    try:
        if kind == STRING:
            raw = [item.encode() if isinstance(item, str) else bytes(item) for item in _texts(items)]
            return Array(kind, len(raw), b"".join(LENGTH.pack(len(item)) + item for item in raw))
        if kind == BOOL and not all(item in (0, 1) for item in items):
            raise InputError("an array of bool holds 0 and 1 only")
        return Array(kind, len(items), pack(f"<{len(items)}{LETTERS[kind]}", *items))
    except (struct_error, OverflowError, UnicodeEncodeError, KeyError) as error:
        name = NAMES[kind] if 0 <= kind < len(NAMES) else f"kind {kind}"
        raise InputError(f"not an array of {name}: {error}") from None


def _texts(items: Sequence[float | str | bytes]) -> list[str | bytes]:
    texts = [item for item in items if isinstance(item, str | bytes)]
    if len(texts) != len(items):
        raise InputError("an array of strings holds text only")
    return texts


def _data(array: Array, most: int) -> bytes:
    if array.data is None:
        raise InputError(
            f"the {array.count} items of this array were skipped", hint="Read the header with its tokenizer."
        )
    if array.count > most:
        raise InputError(f"an array of {array.count} items is over the limit of {most}")
    return array.data


def _refuse(array: Array) -> NoReturn:
    raise InputError(f"an array of {array.count} {NAMES[array.kind]} does not fill its bytes")
