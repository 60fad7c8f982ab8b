"""How large a header may be.

Real headers stay far below: 16 MB for 262,144 tokens, about 1,000 tensors with names under 64 bytes (what
the engine allows). A limit is compared before anything is allocated or walked, so that a length field
costs nothing.
"""

from typing import Final

HEADER_BYTES: Final = 256 << 20
PAIRS: Final = 1 << 16
TENSORS: Final = 1 << 17
KEY_BYTES: Final = 65_535
"""The specification's own limit."""
TENSOR_NAME_BYTES: Final = 255
STRING_BYTES: Final = 16 << 20
"""Chat templates are the longest strings met: tens of kilobytes."""
NUMBERS: Final = 1 << 24
STRINGS: Final = 1 << 22
DIMENSIONS: Final = 4
DIMENSION: Final = (1 << 40) - 1
ELEMENTS: Final = (1 << 63) - 1
"""The engine counts elements and bytes of a tensor in a signed 64-bit integer."""
ALIGNMENT: Final = 1 << 16
DECODED: Final = 1 << 20
"""Items of an array that are turned into Python objects (36 bytes and more each)."""
