"""Tensor infos of a header: read, and checked against each other and the file."""

from collections.abc import Sequence
from math import prod
from struct import Struct
from typing import NamedTuple

from aidx.errors import HeaderError
from aidx.model.gguf import limits
from aidx.model.gguf.cursor import CUT, Cursor, Steps
from aidx.model.gguf.kinds import LENGTH, WORD, padded
from aidx.model.gguf.names import read_name, shown
from aidx.model.tensor import BY_NUMBER, Tensor, TensorType

SMALLEST = LENGTH.size + 1 + WORD.size + LENGTH.size + WORD.size + LENGTH.size
"""Bytes of an info with a name of one byte and one dimension."""

_TAILS = tuple(Struct(f"<{count}QIQ") for count in range(limits.DIMENSIONS + 1))


class Info(NamedTuple):
    """A tensor, and the byte at which its offset field starts."""

    tensor: Tensor
    place: int


def read_infos(cursor: Cursor, count: int, alignment: int) -> Steps[tuple[Info, ...]]:
    """Read *count* tensor infos; names are unique."""
    infos: dict[str, Info] = {}
    for index in range(count):
        start = cursor.offset
        field = f"name of tensor {index}"
        name = yield from read_name(cursor, field, limits.TENSOR_NAME_BYTES)
        if name in infos:
            raise HeaderError(f"duplicate tensor {shown(name)}", offset=start, field=field)
        infos[name] = yield from _read_info(cursor, name, alignment)
    return tuple(infos.values())


def _read_info(cursor: Cursor, name: str, alignment: int) -> Steps[Info]:
    field = f"dimensions of tensor {shown(name)}"
    yield from cursor.wait(WORD.size, field)
    start = cursor.offset
    rank = cursor.word(WORD)
    if not 1 <= rank <= limits.DIMENSIONS:
        raise HeaderError(f"{rank} dimensions, 1 to {limits.DIMENSIONS} are allowed", offset=start, field=field)
    tail = _TAILS[rank]
    yield from cursor.wait(tail.size, field)
    start = cursor.offset
    *shape, number, offset = map(int, cursor.unpack(tail))
    kind = BY_NUMBER.get(number)
    if kind is None:
        raise HeaderError(
            f"unknown tensor type {number}",
            offset=start + rank * LENGTH.size,
            field=f"type of tensor {shown(name)}",
            hint="Convert the model again with a current llama.cpp.",
        )
    _check_shape(shape, kind, start, field)
    place = cursor.offset - LENGTH.size
    if offset % alignment:
        raise HeaderError(
            f"{offset} is not a multiple of the alignment {alignment}",
            offset=place,
            field=f"offset of tensor {shown(name)}",
        )
    return Info(Tensor(name, tuple(shape), kind, offset), place)


def _check_shape(shape: Sequence[int], kind: TensorType, start: int, field: str) -> None:
    for axis, size in enumerate(shape):
        if not 0 < size <= limits.DIMENSION:
            raise HeaderError(
                f"dimension {axis} is {size}, 1 to {limits.DIMENSION} are allowed",
                offset=start + axis * LENGTH.size,
                field=field,
            )
    if shape[0] % kind.block:
        raise HeaderError(
            f"a row of {shape[0]} elements does not divide into {kind.name} blocks of {kind.block}",
            offset=start,
            field=field,
        )
    elements = prod(shape)
    if max(elements, elements // kind.block * kind.size) > limits.ELEMENTS:
        raise HeaderError(f"{elements} elements are too many for any machine", offset=start, field=field)


def check_data(infos: Sequence[Info], *, header_size: int, alignment: int, file_size: int | None) -> None:
    """Refuse tensors that share bytes or lie past the end of the file.

    *header_size* is where the infos end; *file_size* is ``None`` when only a prefix is there.
    """
    begin = padded(header_size, alignment)
    end, previous = 0, ""
    for tensor, place in sorted(infos, key=lambda info: info.tensor.offset):
        field = f"offset of tensor {shown(tensor.name)}"
        if tensor.offset < end:
            raise HeaderError(f"its data overlaps tensor {shown(previous)}", offset=place, field=field)
        end, previous = tensor.offset + tensor.bytes, tensor.name
        if file_size is not None and begin + end > file_size:
            raise HeaderError(
                f"its data would end at byte {begin + end} of a file of {file_size}",
                offset=place,
                field=field,
                hint=CUT,
            )
