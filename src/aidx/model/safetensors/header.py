"""Reads the header of a safetensors file: a length of eight bytes, then JSON that names each tensor.

Format: the documentation of the ``safetensors`` library. Files are untrusted: sizes are compared before
anything is decoded, and what the header says must fill the file exactly.
"""

from math import prod
from typing import Annotated, Final

import msgspec
from msgspec import Struct

from aidx.errors import HeaderError

LENGTH: Final = 8
LIMIT: Final = 32 << 20
"""The library itself takes 100 MB; the largest published headers are below 2 MB."""
TENSORS: Final = 1 << 20

BITS: Final = {
    "F64": 64, "I64": 64, "U64": 64,
    "F32": 32, "I32": 32, "U32": 32,
    "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip

_Size = Annotated[int, msgspec.Meta(ge=0, lt=1 << 48)]
_HINT: Final = "Download the file again: it is cut short or damaged."


class Weight(Struct, frozen=True):
    """A tensor of a checkpoint: its *dtype* as safetensors writes it and its *shape*, the rows first."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class _Info(msgspec.Struct):
    dtype: str
    shape: Annotated[tuple[_Size, ...], msgspec.Meta(max_length=8)]
    data_offsets: tuple[_Size, _Size]


def header_size(start: bytes, file_size: int) -> int:
    """Bytes up to where data begins, from the first eight; raises ``HeaderError``."""
    if len(start) < LENGTH:
        raise HeaderError("the file ends within the first eight bytes", offset=0, field="length", hint=_HINT)
    size = int.from_bytes(start[:LENGTH], "little")
    if not 2 <= size <= LIMIT:
        raise HeaderError(f"a header of {size} bytes, 2 to {LIMIT} are allowed", offset=0, field="length", hint=_HINT)
    if size > file_size - LENGTH:
        raise HeaderError(f"a header of {size} bytes in a file of {file_size}", offset=0, field="length", hint=_HINT)
    return LENGTH + size


def parse(data: bytes, file_size: int) -> dict[str, Weight]:
    """The tensors of a file of *file_size* bytes that starts with *data*, its whole header at least.

    Raises ``HeaderError`` for JSON that is none, and for tensors that overlap, leave gaps or end elsewhere
    than the file.
    """
    end = header_size(data, file_size)
    try:
        raw = msgspec.json.decode(data[LENGTH:end], type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        infos = {name: msgspec.json.decode(each, type=_Info) for name, each in raw.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HeaderError(f"no safetensors header: {error}", offset=LENGTH, field="header", hint=_HINT) from None
    if len(infos) > TENSORS:
        raise HeaderError(f"{len(infos)} tensors, {TENSORS} are allowed", offset=LENGTH, field="header")
    _check_data(infos, file_size - end)
    return {name: Weight(info.dtype, info.shape) for name, info in infos.items()}


def _check_data(infos: dict[str, _Info], size: int) -> None:
    """Tensors lie one after the other and fill the file."""
    here = 0
    for name, info in sorted(infos.items(), key=lambda item: item[1].data_offsets):
        start, stop = info.data_offsets
        bits = BITS.get(info.dtype)
        if bits is None:
            raise _wrong(name, f"of unknown type {info.dtype[:20]!r}")
        if start != here or stop - start != -(-prod(info.shape) * bits // 8):
            raise _wrong(name, f"at {start} to {stop}, which is not where its shape puts it")
        here = stop
    if here != size:
        raise HeaderError(f"the tensors end at {here}, the data at {size}", offset=LENGTH, field="header", hint=_HINT)


def _wrong(name: str, what: str) -> HeaderError:
    return HeaderError(f"tensor {name[:80]!r} is {what}", offset=LENGTH, field="header", hint=_HINT)
