"""The corpus: the standard library of the running interpreter, split by file."""

import hashlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

Part = Literal["train", "watch", "held_out"]

SMALLEST, LARGEST = 200, 400_000
SKIPPED = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"})


class SourceFile(NamedTuple):
    """One file of the library; *name* is relative to the library."""

    name: str
    text: str


def library_files() -> Iterator[SourceFile]:
    """Read every ASCII source file that is not a test, in a fixed order."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if SKIPPED.intersection(name.parts):
            continue
        raw = path.read_bytes()
        if raw.isascii() and SMALLEST < len(raw) < LARGEST:
            yield SourceFile(name.as_posix(), raw.decode("ascii").replace("\r\n", "\n"))


def part_of(name: str) -> Part:
    """Tell which part a file belongs to; only its name decides.

    One file in twelve is held out, one in twenty-four is watched while training.
    """
    place = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 24
    if place in {0, 12}:
        return "held_out"
    return "watch" if place == 1 else "train"


def split() -> dict[Part, list[SourceFile]]:
    """Read the library once, file by file into its part."""
    parts: dict[Part, list[SourceFile]] = {"train": [], "watch": [], "held_out": []}
    for file in library_files():
        parts[part_of(file.name)].append(file)
    return parts
