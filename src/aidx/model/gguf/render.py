"""Writes a header: the bytes that come before the tensor data.

With a hole of ``data_size`` bytes behind them they are a *ghost file*, which the engine opens without
reading weights; their length is the header's part of a file that does not exist yet.
"""

import struct
from collections.abc import Iterable, Mapping

from aidx.errors import InputError
from aidx.model.gguf.kinds import (
    ALIGNMENT,
    ALIGNMENT_KEY,
    ARRAY,
    BOOL,
    F32,
    I32,
    I64,
    LENGTH,
    MAGIC,
    NAMES,
    SCALARS,
    STRING,
    U32,
    U64,
    VERSION,
    WORD,
    padded,
)
from aidx.model.gguf.names import shown
from aidx.model.spec import Array, Header, Metadata, Value
from aidx.model.tensor import Tensor


def render(
    metadata: Metadata,
    tensors: Iterable[Tensor],
    alignment: int = ALIGNMENT,
    *,
    kinds: Mapping[str, int] | None = None,
) -> bytes:
    """Return a version 3 header, padded to where tensor data begins.

    Offsets are written as the tensors have them (see ``lay_out``). *kinds* says how a value is written;
    without it an int is a u32 if it can be, a float an f32, which is what the engine asks for. Raises
    ``InputError`` for an array whose bytes were skipped, and for a value that its kind cannot hold.
    """
    stated = metadata.get(ALIGNMENT_KEY, ALIGNMENT)
    if stated != alignment:
        raise InputError(
            f"alignment {alignment} is asked for, and the metadata say {stated}",
            hint=f"Set {ALIGNMENT_KEY} in the metadata to the same value.",
        )
    infos = list(tensors)
    parts = [MAGIC, WORD.pack(VERSION), LENGTH.pack(len(infos)), LENGTH.pack(len(metadata))]
    for key, value in metadata.items():
        kind = (kinds or {}).get(key)
        parts += [_text(key), _value(key, value, kind_of(value) if kind is None else kind)]
    parts += map(_info, infos)
    raw = b"".join(parts)
    return raw.ljust(padded(len(raw), alignment), b"\0")


def render_header(header: Header) -> bytes:
    """Return the bytes of *header* as version 3, each value of the kind that it was read with."""
    return render(header.metadata, header.tensors, header.alignment, kinds=header.kinds)


def lay_out(tensors: Iterable[Tensor], alignment: int = ALIGNMENT) -> tuple[Tensor, ...]:
    """Return *tensors* with offsets in their order without gaps, as the engine demands them."""
    placed = []
    offset = 0
    for tensor in tensors:
        placed.append(Tensor(tensor.name, tensor.shape, tensor.type, offset))
        offset += padded(tensor.bytes, alignment)
    return tuple(placed)


def data_size(tensors: Iterable[Tensor], alignment: int = ALIGNMENT) -> int:
    """Bytes of the data of *tensors* in a file, each padded to *alignment*, the last one too."""
    return sum(padded(tensor.bytes, alignment) for tensor in tensors)


def bare_size(tensors: Iterable[Tensor]) -> int:
    """Bytes of a header of *tensors* without metadata, before it is padded."""
    infos = sum(
        LENGTH.size + len(tensor.name.encode()) + WORD.size * 2 + LENGTH.size * (len(tensor.shape) + 1)
        for tensor in tensors
    )
    return len(MAGIC) + WORD.size + 2 * LENGTH.size + infos


def kind_of(value: Value) -> int:
    """Return the value type number that a value gets when nothing else is said."""
    if isinstance(value, Array):
        return ARRAY
    if isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, float):
        return F32
    if 0 <= value < 1 << 32:
        return U32
    if -(1 << 31) <= value < 0:
        return I32
    return U64 if value > 0 else I64


def _text(text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{shown(text)} cannot be written as UTF-8") from None
    return LENGTH.pack(len(raw)) + raw


def _value(key: str, value: Value, kind: int) -> bytes:
    head = WORD.pack(kind)
    if isinstance(value, Array):
        if value.data is None:
            raise InputError(
                f"array {shown(key)} was skipped by the reader, so it cannot be written again",
                hint="Read the header with its tokenizer, or leave the key out.",
            )
        return WORD.pack(ARRAY) + WORD.pack(value.kind) + LENGTH.pack(value.count) + value.data
    if isinstance(value, str) and kind == STRING:
        return head + _text(value)
    if kind in SCALARS and not isinstance(value, str):
        try:
            return head + SCALARS[kind].pack(value)
        except (struct.error, OverflowError):
            pass
    name = NAMES[kind] if 0 <= kind < len(NAMES) else f"kind {kind}"
    raise InputError(f"{shown(key)} = {shown(str(value))} cannot be written as {name}")


def _info(tensor: Tensor) -> bytes:
    rank = len(tensor.shape)
    return _text(tensor.name) + struct.pack(f"<I{rank}QIQ", rank, *tensor.shape, tensor.type.number, tensor.offset)
