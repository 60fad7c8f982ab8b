"""Reads a file that the user named, whatever it turns out to be: never endless, and never waiting for nobody."""

import os
import stat

from aidx.errors import InputError

# O_NONBLOCK: opening a named pipe that nobody writes to would wait for ever. Not all are on every system.
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_HINT = "Check the path."


def read_input(path: str, most: int) -> bytes:
    """The bytes at *path*, at most *most* of them: of a file, or of a pipe that somebody writes to.

    Raises ``InputError`` for what cannot be read, what is larger, and what is neither.
    """
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}", hint=_HINT) from None
    try:
        return _whole(handle, path, most)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint=_HINT) from None
    finally:
        os.close(handle)


def _whole(handle: int, path: str, most: int) -> bytes:
    kind = os.fstat(handle).st_mode
    if stat.S_ISFIFO(kind):
        return _piped(handle, path, most)
    if not stat.S_ISREG(kind):
        raise InputError(f"{path}: it is no file", hint=_HINT)
    return _rest(handle, b"", path, most)


def _piped(handle: int, path: str, most: int) -> bytes:
    """What comes through a pipe, as ``<(command)`` makes one; at its end at once means that nobody writes to it."""
    try:
        first = os.read(handle, most + 1)
    except BlockingIOError:
        os.set_blocking(handle, True)
        first = os.read(handle, most + 1)
    else:
        if not first:
            raise InputError(f"{path}: it is a named pipe, and nobody writes to it", hint="Name a file.")
        os.set_blocking(handle, True)
    return _rest(handle, first, path, most)


def _rest(handle: int, first: bytes, path: str, most: int) -> bytes:
    parts, size = [first], len(first)
    while size <= most and (part := os.read(handle, min(1 << 20, most + 1 - size))):
        parts.append(part)
        size += len(part)
    if size > most:
        raise InputError(f"{path}: larger than {most:,} bytes", hint="Name a smaller file.")
    return b"".join(parts)
