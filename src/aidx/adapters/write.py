"""Files written whole or not at all."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from aidx.errors import InputError

HINT = "Name a file in a folder that you may write to."


def check_target(path: str) -> Path:
    """Where a file called *path* would be written, links followed.

    Raises ``InputError`` for what can be no file: a folder, a device, a FIFO, or a name in no folder.
    """
    target = Path(os.path.realpath(path))
    if not path or not target.parent.is_dir():
        raise InputError(f"cannot write '{path}': there is no such folder", hint=HINT)
    if target.exists() and not target.is_file():
        raise InputError(f"cannot write {path}: it is a folder, a device or a pipe", hint=HINT)
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"cannot write {path}: permission denied", hint=HINT)
    return target


def write_text(path: str, text: str) -> None:
    """``write_bytes`` of *text* in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: str, data: bytes) -> None:
    """Replace the file at *path* by *data*; the old file stays where anything fails, its mode always.

    Raises ``InputError`` where *path* can be no file, or cannot be written.
    """
    target = check_target(path)
    temporary = None
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
        with NamedTemporaryFile("wb", dir=target.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(target)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}", hint=HINT) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_new(folder: str, files: Sequence[tuple[str, str, bool]], *, force: bool = False) -> None:
    """Write *files* (name, text, whether it is a program) into *folder*, which is made where its parent is there.

    Files that are there already are left alone without *force*, unless they say the same: then nothing is written
    at all. Raises ``InputError`` for those, and for what cannot be written.
    """
    home = Path(folder)
    try:
        home.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror or error}", hint=HINT) from None
    taken = [name for name, text, _ in files if _differs(home / name, text)]
    if taken and not force:
        raise InputError(
            f"{folder} has {', '.join(taken)} already, and what would be written differs; nothing was written",
            hint="Name another folder, or replace what is there with --force.",
        )
    for name, text, program in files:
        write_text(str(home / name), text)
        if program:
            target = home / name
            target.chmod(target.stat().st_mode | 0o111)


def _differs(path: Path, text: str) -> bool:
    if not path.is_symlink() and not path.exists():
        return False
    try:
        return path.read_bytes() != text.encode()
    except OSError:
        return True


def may_write(folder: Path) -> bool:
    """Whether files may be written below *folder*, made if it is not there yet."""
    places = (folder, *folder.absolute().parents)
    existing = next(place for place in places if os.path.exists(place))  # noqa: PTH110 - what is hidden is none
    return existing.is_dir() and os.access(existing, os.W_OK)
