"""A file that is locked as long as its holder lives, and says who that is; the kernel lets go of one that died."""

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path


class HeldError(Exception):
    """Another process holds it; the text says which, and for how long."""


def take(path: Path) -> int:
    """The open file at *path*, locked until it is closed; raises ``HeldError``."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        told = _told(os.read(fd, 4096))
        os.close(fd)
        raise HeldError(told) from None
    os.ftruncate(fd, 0)
    os.write(fd, json.dumps({"pid": os.getpid(), "since": int(time.time())}).encode())
    return fd


def holder(path: Path) -> str | None:
    """Who holds the file at *path*; ``None`` where nobody does."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _told(os.read(fd, 4096))
        finally:
            os.close(fd)
    return None


def _told(holder: bytes) -> str:
    try:
        found = json.loads(holder)
        return f"process {found['pid']}, for {max(0, int(time.time()) - found['since'])} s"
    except (ValueError, KeyError, TypeError):
        return "it has just begun"
