"""The file types of llama-quantize: names, numbers and default tensor types."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from aidx.errors import InputError


class FileType(Struct, frozen=True):
    """*number* stands in ``general.file_type`` (llama.h, ``enum llama_ftype``); *default* is a tensor type."""

    name: str
    number: int
    default: str


_ROWS = (
    ("F32", 0, "f32"),
    ("F16", 1, "f16"),
    ("Q4_0", 2, "q4_0"),
    ("Q4_1", 3, "q4_1"),
    ("Q8_0", 7, "q8_0"),
    ("Q5_0", 8, "q5_0"),
    ("Q5_1", 9, "q5_1"),
    ("Q2_K", 10, "q2_K"),
    ("Q3_K_S", 11, "q3_K"),
    ("Q3_K_M", 12, "q3_K"),
    ("Q3_K_L", 13, "q3_K"),
    ("Q4_K_S", 14, "q4_K"),
    ("Q4_K_M", 15, "q4_K"),
    ("Q5_K_S", 16, "q5_K"),
    ("Q5_K_M", 17, "q5_K"),
    ("Q6_K", 18, "q6_K"),
    ("IQ2_XXS", 19, "iq2_xxs"),
    ("IQ2_XS", 20, "iq2_xs"),
    ("Q2_K_S", 21, "q2_K"),
    ("IQ3_XS", 22, "iq3_s"),
    ("IQ3_XXS", 23, "iq3_xxs"),
    ("IQ1_S", 24, "iq1_s"),
    ("IQ4_NL", 25, "iq4_nl"),
    ("IQ3_S", 26, "iq3_s"),
    ("IQ3_M", 27, "iq3_s"),
    ("IQ2_S", 28, "iq2_xs"),
    ("IQ2_M", 29, "iq2_s"),
    ("IQ4_XS", 30, "iq4_xs"),
    ("IQ1_M", 31, "iq1_m"),
    ("BF16", 32, "bf16"),
    ("TQ1_0", 36, "tq1_0"),
    ("TQ2_0", 37, "tq2_0"),
    ("MXFP4_MOE", 38, "mxfp4"),
    ("NVFP4", 39, "nvfp4"),
    ("Q1_0", 40, "q1_0"),
    ("Q2_0", 41, "q2_0"),
)
FILE_TYPES: Final[Mapping[str, FileType]] = MappingProxyType({row[0]: FileType(*row) for row in _ROWS})
_BY_NUMBER: Final[Mapping[int, FileType]] = MappingProxyType({of.number: of for of in FILE_TYPES.values()})

_SHORT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Q3_K": "Q3_K_M",
        "Q4_K": "Q4_K_M",
        "Q5_K": "Q5_K_M",
        "FP16": "F16",
        "FP32": "F32",
        "MXFP4": "MXFP4_MOE",
    }
)
"""Other spellings: llama-quantize's own short ones, Ollama's ``fp16`` and what gpt-oss files are called."""

_GUESSED = 1024
"""``LLAMA_FTYPE_GUESSED``: a flag on the number, not part of it."""


def find(name: str) -> FileType:
    """The file type called *name*, in any case; raises ``InputError`` with the closest names."""
    wanted = name.upper()
    found = FILE_TYPES.get(_SHORT.get(wanted, wanted))
    if found is None:
        from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name pays for it

        close = get_close_matches(wanted, FILE_TYPES, n=4, cutoff=0.5)
        shown = f"close: {', '.join(close)}" if close else f"known: {', '.join(FILE_TYPES)}"
        raise InputError(
            f"unknown quantization {name[:40]!r} ({shown})", hint="Use a name of llama-quantize, say Q4_K_M."
        )
    return found


def parse_name(number: int) -> str | None:
    """The name behind ``general.file_type``, or ``None`` for a number that is not in use."""
    found = _BY_NUMBER.get(number & ~_GUESSED)
    return None if found is None else found.name
