"""Where people read."""

import shutil
import sys

from msgspec import Struct


class Screen(Struct, frozen=True):
    """Columns, and whether it has ASCII only."""

    width: int
    plain: bool


def read() -> Screen:
    """Standard output as it is: 100 columns where it is no terminal."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return Screen(shutil.get_terminal_size((100, 24)).columns, plain=not encoding.startswith("utf"))
