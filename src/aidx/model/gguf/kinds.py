"""Value types of GGUF metadata: their numbers, names and encodings.

Source: the specification (``docs/gguf.md`` of ggml) and ``enum gguf_type`` in ``gguf.h``. Everything is
little-endian; a string is its length as u64, then its bytes.
"""

from collections.abc import Mapping
from struct import Struct
from types import MappingProxyType
from typing import Final

U8: Final = 0
I8: Final = 1
U16: Final = 2
I16: Final = 3
U32: Final = 4
I32: Final = 5
F32: Final = 6
BOOL: Final = 7
STRING: Final = 8
ARRAY: Final = 9
U64: Final = 10
I64: Final = 11
F64: Final = 12

NAMES: Final = ("u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64")

# A bool is read as a byte, so that 2 can be told from 1.
LETTERS: Final[Mapping[int, str]] = MappingProxyType(
    {
        U8: "B",
        I8: "b",
        U16: "H",
        I16: "h",
        U32: "I",
        I32: "i",
        F32: "f",
        BOOL: "B",
        U64: "Q",
        I64: "q",
        F64: "d",
    }
)
SCALARS: Final[Mapping[int, Struct]] = MappingProxyType(
    {kind: Struct(f"<{letter}") for kind, letter in LETTERS.items()}
)
LENGTH: Final = SCALARS[U64]
WORD: Final = SCALARS[U32]

MAGIC: Final = b"GGUF"
VERSION: Final = 3
ALIGNMENT_KEY: Final = "general.alignment"
ALIGNMENT: Final = 32


def padded(size: int, alignment: int) -> int:
    """Round *size* up to a multiple of *alignment*."""
    return -(-size // alignment) * alignment
