"""Small careful reads that all stores share: what cannot be read is simply not there."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aidx.errors import InputError
from aidx.userfile import opened, read_bytes

_JSON_BYTES = 4 << 20
_DEPTH = 6


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in *path*; ``None`` where it is missing, larger than 4 MiB or damaged."""
    try:
        found = json.loads(read_bytes(str(path), "a JSON file", _JSON_BYTES))
    except (InputError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_line(path: Path) -> str:
    """The first line of *path*, stripped; empty where there is none."""
    try:
        with opened(str(path), "a text file") as file:
            return os.read(file.handle, 4096).decode().split("\n", 1)[0].strip()
    except (InputError, ValueError):
        return ""


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What *folder* holds, by name; nothing where it is missing or may not be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def folders(folder: Path) -> list[str]:
    """The names of the folders in *folder*, links to folders too."""
    return [entry.name for entry in entries(folder) if _is_dir(entry)]


def files(folder: Path, depth: int = _DEPTH) -> Iterator[str]:
    """Paths of files and links below *folder*, relative to it with ``/``; links to folders are not followed."""
    for entry in entries(folder):
        if not entry.is_symlink() and _is_dir(entry):
            if depth > 1:
                yield from (f"{entry.name}/{path}" for path in files(folder / entry.name, depth - 1))
        else:
            yield entry.name


def same_name(folder: Path, name: str) -> str | None:
    """The entry of *folder* called *name*; in another case where there is none that is written so."""
    names = [entry.name for entry in entries(folder)]
    return name if name in names else next((each for each in names if each.lower() == name.lower()), None)


def size_of(path: Path) -> int | None:
    """Bytes of the file at *path*, links followed; ``None`` where there is no file."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
