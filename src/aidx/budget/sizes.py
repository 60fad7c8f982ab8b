"""Sizes that people type and read. G means 2^30: memory is sold so."""

import re
from decimal import Decimal

from aidx.errors import InputError

GIB = 1 << 30
MIB = 1 << 20
_UNITS = {"": 1, "K": 1 << 10, "M": MIB, "G": GIB, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([KMGT])(?:i?B)?|B)?", re.IGNORECASE | re.ASCII)
MOST = 1 << 50  # bytes: no machine has as much
_LONGEST = 32  # characters; also keeps the number of digits far from what int() refuses


def parse_size(text: str) -> int:
    """Bytes in *text*: ``12GiB``, ``12GB``, ``12G``, ``512M``, ``11.5G`` or plain bytes; fractions round down.

    Raises:
        InputError: For anything else, negative sizes, NaN and more than any machine has among it.
    """
    match = _SIZE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise InputError(
            f"'{text[:_LONGEST]}' is not a size", hint="Write a size like 12GiB, 12G, 512M or a number of bytes."
        )
    number, unit = match.groups()
    size = int(Decimal(number) * _UNITS[(unit or "").upper()])
    if size > MOST:
        raise InputError(f"'{text}' is more than any machine has", hint="Give at most 1024TiB.")
    return size


def gib(size: int) -> str:
    """*size* bytes for people, ``8.37 GiB``; small amounts keep two significant digits and never look like zero."""
    value = size / GIB
    if not size or abs(value) >= 0.1:
        return f"{value:.2f} GiB"
    places = 2
    while places < 9 and not round(abs(value) * 10 ** (places - 1)):
        places += 1
    return f"{value:.{places}f} GiB"


def amount(size: int) -> str:
    """*size* bytes for people, to a thousandth or so: ``58.2 MiB`` below a GiB, else as ``gib``."""
    return gib(size) if abs(size) >= GIB else f"{size / MIB:.1f} MiB"
