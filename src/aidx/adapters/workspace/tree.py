"""Files below one folder, reached step by step: no link on the way is ever followed.

Each folder is opened from the one above it (``openat`` with ``O_NOFOLLOW``), so that a link that is put in the
way between two steps is met as a link and refused.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aidx.errors import InputError
from aidx.ports.workspace import RefusedPathError

MOST_BYTES = 32 << 20  # of a file that is read whole: a source file is far smaller
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Tree:
    """The files below *root*; raises ``InputError`` where that is no folder."""

    def __init__(self, root: str) -> None:
        self.root = Path(os.path.realpath(root))
        try:
            self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(
                f"cannot work in {root}: {error.strerror}", hint="Give a folder that you may read and write."
            ) from None

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._fd)

    def read(self, path: str) -> bytes | None:
        """The bytes at *path*, ``None`` where there is nothing."""
        with self._above(path) as (folder, name):
            if folder is None:
                return None
            try:
                fd = os.open(name, _FILE, dir_fd=folder)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise self._refused(path, error) from None
            try:
                self._check_regular(path, os.fstat(fd), folder, name)
                with os.fdopen(fd, "rb", closefd=False) as file:
                    return file.read()
            finally:
                os.close(fd)

    def mode(self, path: str) -> int | None:
        """The permissions of what is at *path*, ``None`` where there is nothing."""
        with self._above(path) as (folder, name):
            found = None if folder is None else _lstat(name, folder)
            return None if found is None else stat.S_IMODE(found.st_mode)

    def modes(self, paths: Iterable[str]) -> dict[str, int]:
        """The permissions of each of *paths* that is a file, and can be reached."""
        found = {}
        for path in paths:
            with suppress(RefusedPathError):
                if self.read(path) is not None and (mode := self.mode(path)) is not None:
                    found[path] = mode
        return found

    def obstacle(self, path: str) -> str | None:
        """The first part of *path* that stands in its way: no folder, or at its end no file that may be read."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            part = "/".join(parts[:depth])
            with self._above(part) as (folder, name):
                found = None if folder is None else _lstat(name, folder)
            if found is None:
                return None
            if not stat.S_ISDIR(found.st_mode):
                return part
        try:
            self.read(path)
        except RefusedPathError:
            return path
        return None

    def write(self, path: str, data: bytes, mode: int = 0o666) -> None:
        """A new file at *path* with *data*, on the disk when this returns; *mode* is subject to the umask."""
        with self._in(path, make=True) as (folder, name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)

    def set_mode(self, path: str, mode: int) -> None:
        """Give the file at *path* exactly *mode*."""
        with self._in(path) as (folder, name):
            fd = os.open(name, _FILE, dir_fd=folder)
            try:
                os.fchmod(fd, mode)
            finally:
                os.close(fd)

    def rename(self, old: str, new: str) -> None:
        """Move the file *old* over *new*; folders on the way to *new* are made."""
        with self._in(old) as (source, name), self._in(new, make=True) as (target, final):
            os.rename(name, final, src_dir_fd=source, dst_dir_fd=target)

    def unlink(self, path: str) -> None:
        """Delete the file at *path*, where there is one."""
        with self._above(path) as (folder, name):
            if folder is not None:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)

    def sync(self, path: str) -> None:
        """Put the folder of *path* on the disk: what was made, moved and deleted in it."""
        with self._above(path) as (folder, _):
            if folder is not None:
                os.fsync(folder)

    def append(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """*data* at the end of the file at *path*, made where there is none; with *sync* on the disk on return."""
        with self._in(path, make=True) as (folder, name):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, 0o666, dir_fd=folder), "ab") as file:
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())

    def missing(self, paths: Iterable[str]) -> tuple[str, ...]:
        """The folders above *paths* that are not there, the innermost first."""
        parts = (path.split("/")[:-1] for path in paths)
        every = {"/".join(part[:depth]) for part in parts for depth in range(1, len(part) + 1)}
        return tuple(sorted((folder for folder in every if not self._is_there(folder)), key=len, reverse=True))

    def _is_there(self, folder: str) -> bool:
        try:
            with self._above(f"{folder}/x") as (fd, _):
                return fd is not None
        except RefusedPathError:  # something stands there
            return True

    def rmdir(self, path: str) -> None:
        """Delete the folder at *path*, where it is there and empty."""
        with self._above(path) as (folder, name):
            if folder is not None:
                with suppress(OSError):
                    os.rmdir(name, dir_fd=folder)

    def names(self, folder: str) -> list[str]:
        """What lies in *folder*; nothing where it is not there."""
        with self._above(f"{folder}/x") as (fd, _):
            return [] if fd is None else sorted(_names(fd))

    @contextmanager
    def _in(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """``_above`` where the folder has to be there: without one, *path* would begin where the process stands."""
        with self._above(path, make=make) as (folder, name):
            if folder is None:
                raise FileNotFoundError(errno.ENOENT, "its folder went away", path)
            yield folder, name

    @contextmanager
    def _above(self, path: str, *, make: bool = False) -> Iterator[tuple[int | None, str]]:
        """The folder that holds *path*, open (``None`` where it is not there), and the last part of *path*."""
        *folders, name = path.split("/")
        if not name or {"", ".", ".."}.intersection([*folders, name]):
            raise RefusedPathError("outside_root", f"{path} is no plain path below the root")
        fd: int | None = os.dup(self._fd)
        try:
            for part in folders:
                above, fd = fd, None  # closed by the step, whatever becomes of it
                fd = self._step(path, above, part, make=make)
                if fd is None:
                    break
            yield fd, name
        finally:
            if fd is not None:
                os.close(fd)

    def _step(self, path: str, above: int | None, part: str, *, make: bool) -> int | None:
        """Open *part* in *above*, which is closed."""
        assert above is not None
        try:
            if make and _lstat(part, above) is None:  # what the disk says then is no fault of the path
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=above)
        except OSError:
            os.close(above)
            raise
        try:
            self._check_spelling(path, above, part)
            return os.open(part, _FOLDER, dir_fd=above)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(path, error) from None
        finally:
            os.close(above)

    def _check_regular(self, path: str, found: os.stat_result, folder: int, name: str) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise RefusedPathError("not_allowed", f"{path} is no regular file")
        if found.st_size > MOST_BYTES:
            raise RefusedPathError("not_allowed", f"{path} has {found.st_size:,} bytes, more than {MOST_BYTES:,}")
        self._check_spelling(path, folder, name)

    def _check_spelling(self, path: str, folder: int, name: str) -> None:
        """On file systems that fold case a file answers to names that no list of allowed paths holds."""
        if _lstat(name, folder) is not None and name not in _names(folder):
            raise RefusedPathError("not_allowed", f"{path} is spelled otherwise on the disk")

    def _refused(self, path: str, error: OSError) -> RefusedPathError:
        """Why *path* cannot be opened; a link is named with the place that it leads to."""
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
            try:
                real = Path(os.path.realpath(self.root / path))
            except OSError:  # the link went away while it was followed
                real = self.root / path
            if not real.is_relative_to(self.root):
                return RefusedPathError("outside_root", f"{path} leaves the root through a link, to {real}")
            if real != self.root / path:
                return RefusedPathError("not_allowed", f"{path} is a link: name {real.relative_to(self.root)} itself")
        return RefusedPathError("not_allowed", f"{path} cannot be opened: {error.strerror}")


def _lstat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _names(folder: int) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries}
