"""The user's cache folder for aidx: what lies there can be deleted at any time and is made again."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from aidx.errors import InputError
from aidx.userfile import read_bytes

VARIABLE = "AIDX_CACHE_DIR"


def cache_dir() -> Path | None:
    """``AIDX_CACHE_DIR``, else where this system keeps caches; ``None`` where there is no home. Not made yet."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) / "aidx" / "Cache" if local else None
    home = os.environ.get("HOME")
    if sys.platform == "darwin":
        return Path(home) / "Library" / "Caches" / "aidx" if home else None
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "aidx"
    return Path(home) / ".cache" / "aidx" if home else None


def read(path: Path, most: int) -> bytes | None:
    """The bytes of the file at *path*, at most *most* of them; ``None`` where it cannot be read or is larger."""
    try:
        return read_bytes(str(path), "a file of the cache", most)
    except InputError:
        return None


def keep(path: Path, data: bytes) -> bool:
    """Write *data* to *path* in the cache, whole or not at all; false where it cannot be written.

    A cache that cannot be written costs time and nothing else, so that it is no error.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
        return False
    return True
