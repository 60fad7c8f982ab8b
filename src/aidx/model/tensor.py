"""Tensor types of the pinned engine and the tensors of a model.

Block sizes and bytes: llama.cpp ``ggml-common.h`` and ``enum ggml_type`` in ``ggml.h``; the tests compare
them with the engine's own ``ggml_blck_size`` and ``ggml_type_size`` and with the ``gguf`` package.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from types import MappingProxyType

from msgspec import Struct

from aidx.errors import InputError


class TensorType(Struct, frozen=True):
    """A storage type: *block* elements take *size* bytes."""

    name: str
    number: int
    block: int
    size: int


_ROWS = (
    ("f32", 0, 1, 4),
    ("f16", 1, 1, 2),
    ("q4_0", 2, 32, 18),
    ("q4_1", 3, 32, 20),
    ("q5_0", 6, 32, 22),
    ("q5_1", 7, 32, 24),
    ("q8_0", 8, 32, 34),
    ("q8_1", 9, 32, 36),
    ("q2_K", 10, 256, 84),
    ("q3_K", 11, 256, 110),
    ("q4_K", 12, 256, 144),
    ("q5_K", 13, 256, 176),
    ("q6_K", 14, 256, 210),
    ("q8_K", 15, 256, 292),
    ("iq2_xxs", 16, 256, 66),
    ("iq2_xs", 17, 256, 74),
    ("iq3_xxs", 18, 256, 98),
    ("iq1_s", 19, 256, 50),
    ("iq4_nl", 20, 32, 18),
    ("iq3_s", 21, 256, 110),
    ("iq2_s", 22, 256, 82),
    ("iq4_xs", 23, 256, 136),
    ("i8", 24, 1, 1),
    ("i16", 25, 1, 2),
    ("i32", 26, 1, 4),
    ("i64", 27, 1, 8),
    ("f64", 28, 1, 8),
    ("iq1_m", 29, 256, 56),
    ("bf16", 30, 1, 2),
    ("tq1_0", 34, 256, 54),
    ("tq2_0", 35, 256, 66),
    ("mxfp4", 39, 32, 17),
    ("nvfp4", 40, 64, 36),
    ("q1_0", 41, 128, 18),
    ("q2_0", 42, 64, 18),
)
TYPES: Mapping[str, TensorType] = MappingProxyType({row[0]: TensorType(*row) for row in _ROWS})
BY_NUMBER: Mapping[int, TensorType] = MappingProxyType({kind.number: kind for kind in TYPES.values()})


class Tensor(Struct, frozen=True):
    """One tensor of a model; *shape* in ggml's order (the row length first)."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of data, as ``ggml_nbytes`` counts them for a contiguous tensor."""
        return self.elements // self.type.block * self.type.size

    @property
    def layer(self) -> int | None:
        """The block number in ``blk.N.…``, or ``None`` outside the blocks."""
        return _layer(self.name)


@lru_cache(maxsize=1 << 14)  # every quantization of a model has the same names
def _layer(name: str) -> int | None:
    parts = name.split(".", 2)
    if len(parts) < 2 or parts[0] != "blk" or not (parts[1].isascii() and parts[1].isdigit()):
        return None  # isdigit() alone lets through what int() refuses, and names come from files
    return int(parts[1])


def row_bytes(kind: TensorType, elements: int) -> int:
    """Bytes of a row of *elements*; raises ``InputError`` when a block would be cut."""
    if elements % kind.block:
        raise InputError(f"a row of {elements} elements does not divide into {kind.name} blocks of {kind.block}")
    return elements // kind.block * kind.size
