"""Importance matrices: how much each column of a weight matters, as ``llama-imatrix`` measured it.

Two formats: GGUF (since 2025; sums and counts a tensor) and the one before it, a list of named rows of floats
(``load_legacy_imatrix`` in llama.cpp's ``tools/quantize/quantize.cpp``). Untrusted: lengths are compared with the
bytes that are there before anything is read.
"""

import struct
from array import array
from collections.abc import Callable, Mapping
from math import isfinite, prod
from typing import Final

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.gguf.kinds import MAGIC
from aidx.model.gguf.names import shown
from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_array
from aidx.model.spec import Array, Header, Value
from aidx.model.tensor import Tensor

_INT: Final = struct.Struct("<i")
_SUMS, _COUNTS = ".in_sum2", ".counts"
_MOST_ENTRIES: Final = 1 << 17
_HINT: Final = "Make it again with llama-imatrix from the same model."
_BROKEN: Final = "Name a file that llama-imatrix wrote (.gguf or .dat)."


class Imatrix(Struct, frozen=True):
    """*entries*: for each tensor the mean square of each column's input, one row after the other for experts.

    *chunks* of text of *dataset* were read for it; *name* is the file's.
    """

    name: str
    entries: "Mapping[str, array[float]]"
    dataset: str = ""
    chunks: int = 0

    def __repr__(self) -> str:
        return f"Imatrix({self.name!r}, {len(self.entries)} tensors)"

    def of(self, tensor: Tensor) -> "array[float] | None":
        """The weights for *tensor*, ``None`` where there are none; ``InputError`` where they are another model's."""
        found = self.entries.get(tensor.name)
        if found is None:
            return None
        needed = tensor.shape[0] * prod(tensor.shape[2:])
        if len(found) == needed:
            return found
        if tensor.name == "token_embd.weight":  # llama-quantize passes over this one
            return None
        raise InputError(
            f"{self.name}: {shown(tensor.name)} has {len(found)} columns there and {needed} in the model", hint=_HINT
        )

    @property
    def metadata(self) -> Mapping[str, Value]:
        """What ``llama-quantize`` writes about it into the file."""
        return {
            "quantize.imatrix.file": self.name,
            **({"quantize.imatrix.dataset": self.dataset} if self.dataset else {}),
            "quantize.imatrix.entries_count": len(self.entries),
            **({"quantize.imatrix.chunks_count": self.chunks} if self.chunks else {}),
        }


def parse(raw: bytes, name: str) -> Imatrix:
    """The importance matrix in *raw*, the bytes of a file called *name*; ``InputError`` for anything else."""
    try:
        found = _parse_gguf(raw, name) if raw.startswith(MAGIC) else _parse_legacy(raw, name)
    except InputError as error:
        raise InputError(f"{name}: {error}", hint=error.hint or _BROKEN) from None
    if not found.entries:
        raise InputError(f"{name}: an importance matrix without entries", hint=_BROKEN)
    broken = next((key for key, values in found.entries.items() if not all(map(isfinite, values))), None)
    if broken is not None:
        raise InputError(f"{name}: {shown(broken)} holds values that are no numbers", hint=_HINT)
    return found


def _parse_gguf(raw: bytes, name: str) -> Imatrix:
    reader = Reader(len(raw), keep=keeps_array)
    reader.feed(raw)
    header = reader.next()
    assert header is not NEED_DATA  # all of it was fed
    if header.metadata.get("general.type") != "imatrix":
        raise InputError("a GGUF file, and no importance matrix (general.type is not 'imatrix')", hint=_BROKEN)
    tensors = {tensor.name: tensor for tensor in header.tensors}
    entries = {}
    for key, sums in tensors.items():
        if key.endswith(_SUMS):
            counts = tensors.get(key.removesuffix(_SUMS) + _COUNTS)
            entries[key.removesuffix(_SUMS)] = _means(raw, header, sums, counts)
    chunks = header.metadata.get("imatrix.chunk_count")
    return Imatrix(name, entries, _dataset(header), chunks if isinstance(chunks, int) else 0)


def _means(raw: bytes, header: Header, sums: Tensor, counts: Tensor | None) -> "array[float]":
    """Sums by counts, a count for each matrix of a stack; a matrix that was never used counts evenly."""
    if counts is None or {sums.type.name, counts.type.name} != {"f32"}:
        raise InputError(f"{shown(sums.name)} has no counts, or is not of type f32", hint=_HINT)
    values, times = _floats(raw, header, sums), _floats(raw, header, counts)
    if len(values) != sums.shape[0] * len(times):
        raise InputError(f"{shown(sums.name)} has {len(values)} sums for {len(times)} counts", hint=_HINT)
    columns = sums.shape[0]
    means = array("f")
    for number, count in enumerate(times):
        row = values[number * columns : (number + 1) * columns]
        means.extend((value / count for value in row) if count > 0 else (1.0 for _ in row))
    return means


def _floats(raw: bytes, header: Header, tensor: Tensor) -> "array[float]":
    start = header.size + tensor.offset
    return _little(raw[start : start + tensor.bytes])


def _little(raw: bytes) -> "array[float]":
    """The floats in *raw*; every machine that the engine runs on is little-endian."""
    found = array("f")
    found.frombytes(raw)
    return found


def _dataset(header: Header) -> str:
    named = header.metadata.get("imatrix.datasets")
    if not isinstance(named, Array) or not named.data or len(named.data) < 8:
        return ""
    size = int.from_bytes(named.data[:8], "little")
    return named.data[8 : 8 + size].decode(errors="replace")


def _parse_legacy(raw: bytes, name: str) -> Imatrix:
    """Count of entries; each: length and name, calls, count and values; then chunks and the dataset's name."""
    place = 0

    def take(size: int) -> bytes:
        nonlocal place
        if size < 0 or place + size > len(raw):
            raise InputError(f"not an importance matrix, or cut off at byte {place}", hint=_BROKEN)
        place += size
        return raw[place - size : place]

    def number() -> int:
        return int(_INT.unpack(take(_INT.size))[0])

    count = number()
    if not 0 < count <= _MOST_ENTRIES:
        raise InputError("not an importance matrix", hint=_BROKEN)
    entries = {}
    for _ in range(count):
        tensor, values = _legacy_entry(take, number)
        entries[tensor] = values
    if place == len(raw):  # written before 2024
        return Imatrix(name, entries)
    chunks = number()
    dataset = take(number()).decode(errors="replace") if place < len(raw) else ""
    return Imatrix(name, entries, dataset, max(chunks, 0))


def _legacy_entry(take: Callable[[int], bytes], number: Callable[[], int]) -> "tuple[str, array[float]]":
    tensor = take(number()).decode(errors="replace")
    calls = number()
    values = _little(take(number() * 4))
    if not values:
        raise InputError(f"{shown(tensor)} has no values", hint=_HINT)
    if calls <= 0:
        return tensor, values
    return tensor, array("f", (value / calls for value in values))
