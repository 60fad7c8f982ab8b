"""Files written whole or not at all."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from aidx.errors import InputError


def write_text(path: str, text: str) -> None:
    """Replace the file at *path* by *text* in UTF-8; the old file stays where anything fails.

    Raises ``InputError`` where the folder is missing or cannot be written.
    """
    target = Path(path)
    temporary = None
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {path}: {error.strerror or error}", hint="Name a file in a folder that you may write to."
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
