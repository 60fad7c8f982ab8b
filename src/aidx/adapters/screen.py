"""Where people read."""

import shutil
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Screen:
    """Columns, and whether it has ASCII only."""

    width: int
    plain: bool


def read() -> Screen:
    """Standard output as it is: 100 columns where it is no terminal."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return Screen(shutil.get_terminal_size((100, 24)).columns, plain=not encoding.startswith("utf"))
