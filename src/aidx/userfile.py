"""Files that a user names: opened, read whole within a bound, or refused in one line.

The one place that opens them, so that ``/dev/zero``, a folder, a file of terabytes or a named pipe that nobody
writes to ends each command in the same way. A pipe that somebody writes to, as ``<(command)`` makes one, is read
where a file is read whole.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aidx.errors import InputError

STANDARD_INPUT = "-"
NO_PERMISSION = "no_permission"
_PIPE = "a named pipe"
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, _PIPE),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# O_NONBLOCK: opening a named pipe that nobody writes to would wait for ever. Not all are on every system.
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


class Opened(NamedTuple):
    """A descriptor of a regular file, and its bytes when it was opened."""

    handle: int
    size: int


def kind(path: str) -> str | None:
    """What stands at *path* that is no regular file, such as ``a named pipe``; ``None`` for a file, and for nothing."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - pathlib is not worth its import here
    except (OSError, ValueError):
        return None
    return _kind(mode)


@contextmanager
def opened(path: str, wanted: str, *, hint: str = "", missing: str = "Check the path.") -> Iterator[Opened]:
    """The regular file at *path*, to be read inside the block.

    *wanted* is what it is to hold (``a plan``), *hint* what to do where something else stands there, *missing* where
    nothing does. Raises ``InputError`` that names *path*; errors of reading inside the block become one, too.
    """
    found = _open(path, wanted, hint or f"Name {wanted}.", missing)
    try:
        yield found
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="Check the disk and the file.") from None
    finally:
        os.close(found.handle)


def read_bytes(path: str, wanted: str, most: int, *, hint: str = "") -> bytes:
    """What the file at *path* holds, or what is written to the pipe there.

    Raises ``InputError`` for more than *most* bytes, for a pipe that nobody writes to, and as ``opened`` does.
    """
    hint = hint or f"Name {wanted}."
    if kind(path) == _PIPE:
        size, data = 0, _piped(path, hint, most)
    else:
        with opened(path, wanted, hint=hint) as (handle, size):
            data = b"" if size > most else _read(handle, size, most)
    if max(size, len(data)) > most:
        raise InputError(f"{path}: larger than {most:,} bytes, not {wanted}", hint=hint)
    return data


def read_text(path: str, wanted: str, most: int, *, hint: str = "") -> str:
    """``read_bytes`` as UTF-8, a byte order mark left out; ``InputError`` names the first byte that is none."""
    return decoded(read_bytes(path, wanted, most, hint=hint), path)


def read_input(path: str, wanted: str, most: int, *, hint: str = "") -> bytes:
    """``read_bytes``, and for ``-`` standard input, which may be a pipe, in the same bound."""
    if path != STANDARD_INPUT:
        return read_bytes(path, wanted, most, hint=hint)
    try:
        data = None if sys.stdin is None else _read(sys.stdin.fileno(), 1 << 16, most)
    except OSError as error:
        raise InputError(f"standard input: {error.strerror or error}", hint=f"Send {wanted} to it.") from None
    if data is None:
        raise InputError("standard input: not open", hint=f"Send {wanted} to it.")
    if len(data) > most:
        raise InputError(f"standard input: larger than {most:,} bytes, not {wanted}", hint="Send less.")
    return data


def decoded(data: bytes, path: str) -> str:
    """*data*, which stood at *path*, as UTF-8, a byte order mark left out."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        name = "standard input" if path == STANDARD_INPUT else path
        raise InputError(f"{name}: byte {error.start} is not UTF-8", hint="Save it as UTF-8 text.") from None


def _open(path: str, wanted: str, hint: str, missing: str) -> Opened:
    # Looked at before it is opened: opening some devices does something already. And after: it may have changed.
    _refuse(path, kind(path), wanted, hint)
    try:
        handle = os.open(path, _FLAGS)
    except FileNotFoundError:
        what = "a link to a file that is gone" if os.path.islink(path) else "no such file"  # noqa: PTH114
        raise InputError(f"{path or repr(path)}: {what}", hint=missing) from None
    except PermissionError as error:
        raise InputError(
            f"{path}: {error.strerror}", hint="Check the file and its permissions.", code=NO_PERMISSION
        ) from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="Check the file and its permissions.") from None
    except ValueError as error:
        raise InputError(f"{path!r}: {error}", hint="Check the path.") from None
    try:
        status = os.fstat(handle)
        _refuse(path, _kind(status.st_mode), wanted, hint)
    except InputError:
        os.close(handle)
        raise
    return Opened(handle, status.st_size)


def _refuse(path: str, found: str | None, wanted: str, hint: str) -> None:
    if found is not None:
        raise InputError(f"{path}: {found}, not {wanted}", hint=hint)


def _kind(mode: int) -> str | None:
    return next((name for test, name in _KINDS if test(mode)), None)


def _piped(path: str, hint: str, most: int) -> bytes:
    """What comes through the pipe at *path*; its end at once means that nobody writes to it."""
    try:
        handle = os.open(path, _FLAGS)
        try:
            first = _waiting(handle)
            if first == b"":
                raise InputError(f"{path}: a named pipe, and nobody writes to it", hint=hint)
            os.set_blocking(handle, True)
            return (first or b"") + _read(handle, 1 << 16, most)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint=hint) from None


def _waiting(handle: int) -> bytes | None:
    """What waits in a pipe; ``None`` where its writer has written nothing yet."""
    try:
        return os.read(handle, 1 << 16)
    except BlockingIOError:
        return None


def _read(handle: int, size: int, most: int) -> bytes:
    """Everything from *handle*, in one read where *size* is right; one byte more than *most* where there is more."""
    parts, left = [], most + 1
    step = min(size, most) + 1
    while left > 0 and (part := os.read(handle, min(step, left))):
        parts.append(part)
        left -= len(part)
        step = max(step, 1 << 20)
    return parts[0] if len(parts) == 1 else b"".join(parts)
