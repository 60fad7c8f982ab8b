"""Whole files of the hub into its shared cache: resumed, checked by sha256, under their final name only when whole.

The layout is that of ``huggingface_hub`` and llama.cpp: ``blobs/SHA256``, a link to it at
``snapshots/COMMIT/PATH``, and the commit in ``refs/BRANCH``. A download in progress is
``blobs/SHA256.incomplete``, which an interrupted run goes on with. Nothing is written through a link: one in the place
of a file is replaced, a folder that is one and leads out of the repository's folder is refused.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from aidx.adapters.hub.api import Hub, Repo
from aidx.adapters.stores.huggingface import repo_folder
from aidx.adapters.write import write_text
from aidx.budget.sizes import gib
from aidx.errors import EngineError
from aidx.model.pick import RepoFile
from aidx.model.stored import PulledFile

Tell = Callable[[str, int, int], object]
"""Called with a file's path, bytes done and bytes in all."""

_CHUNK: Final = 1 << 20
_SPARE: Final = 64 << 20
"""Disk that stays free: a full one harms other programs."""

_FLAGS: Final = ("O_NOFOLLOW", "O_BINARY")  # not all are on every system
_APPENDING: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | sum(getattr(os, name, 0) for name in _FLAGS)


class HubCache:
    """The cache at *root*, which is made where it is missing."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def pull(self, hub: Hub, repo: Repo, files: Sequence[RepoFile], revision: str, tell: Tell) -> list[PulledFile]:
        """Bring *files* of *repo* here; blocks for as long as that takes.

        Raises ``EngineError`` for a disk that is full or cannot be written, for a server that fails or whose
        bytes are not those that the hub describes, and where another run fetches the same file.
        """
        folder = self._root / repo_folder(repo.name)
        snapshot = folder / "snapshots" / repo.commit
        with _disk(folder):
            for path in (folder / "blobs", folder / "refs", *(snapshot / file.path for file in files)):
                _refuse_leading_out(folder, path if path.parent == folder else path.parent)
            (folder / "blobs").mkdir(parents=True, exist_ok=True)
            missing = [file for file in files if not _is_whole(snapshot / file.path, file)]
            self._check_space(folder / "blobs", missing)
            for file in missing:
                blob = folder / "blobs" / _sha256(file, repo)
                if not _is_whole(blob, file):
                    _fetch(hub, repo, file, blob, tell)
                _point(snapshot / file.path, blob)
            if revision != repo.commit:
                (folder / "refs").mkdir(exist_ok=True)
                reference = folder / "refs" / revision
                if reference.is_symlink():
                    reference.unlink()
                write_text(str(reference), repo.commit)
        return [PulledFile(file, str(snapshot / file.path), file in missing) for file in files]

    def _check_space(self, blobs: Path, missing: Sequence[RepoFile]) -> None:
        here = sum(_size(blobs / name) for file in missing for name in (f"{file.sha256}.incomplete", f"{file.sha256}"))
        needed = sum(file.size for file in missing) - here
        free = shutil.disk_usage(blobs).free
        if missing and needed + _SPARE > free:
            raise EngineError(
                f"{gib(needed)} are to be fetched and {gib(free)} are free at {blobs}",
                hint="Free some space, or set HF_HUB_CACHE to a folder on another disk.",
                code="disk_full",
            )


def _fetch(hub: Hub, repo: Repo, file: RepoFile, blob: Path, tell: Tell) -> None:
    """Download *file* to *blob*; a wrong sum over bytes of an earlier run is tried again from the start."""
    part = blob.with_name(f"{blob.name}.incomplete")
    with _alone(part) as target:
        start = _resume(target, file)
        digest = _append(hub, repo, file, target, tell)
        if digest != blob.name and start:
            target.truncate(0)
            digest = _append(hub, repo, file, target, tell)
        target.flush()
        os.fsync(target.fileno())
    if digest != blob.name:
        part.unlink()
        raise EngineError(
            f"hf.co/{repo.name}/{file.path} arrived with another sha256 than the hub states",
            hint="Run the command again.",
            code="wrong_checksum",
        )
    tell(file.path, file.size, file.size)
    part.replace(blob)


def _resume(target: BinaryIO, file: RepoFile) -> int:
    """Bytes of an earlier run; none where they are more than the file has."""
    size = target.seek(0, os.SEEK_END)
    if size > file.size:
        target.truncate(0)
        return 0
    return size


def _append(hub: Hub, repo: Repo, file: RepoFile, target: BinaryIO, tell: Tell) -> str:
    """Read what is there, fetch the rest behind it; the sha256 of both."""
    digest = hashlib.sha256()
    target.seek(0)
    while data := target.read(_CHUNK):
        digest.update(data)
    done = target.tell()
    _tell_part(tell, file, done)
    for data in hub.open(repo, file).read(done):
        target.write(data)
        digest.update(data)
        done += len(data)
        _tell_part(tell, file, done)
    return digest.hexdigest()


def _tell_part(tell: Tell, file: RepoFile, done: int) -> None:
    """Tell of bytes before they are checked: the last ones are told of when the sum is right."""
    if done < file.size:
        tell(file.path, done, file.size)


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """*part*, opened for reading and appending by nobody else."""
    if part.is_symlink():
        part.unlink()
    if part.exists() and not part.is_file():
        raise EngineError(f"{part} is no file", hint="Remove it, and run the command again.", code="cannot_write")
    with os.fdopen(os.open(part, _APPENDING, 0o666), "a+b") as target:
        with suppress(ImportError):  # Windows: two runs would only fetch twice, their sums are checked
            import fcntl

            try:
                fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise EngineError(
                    f"another run is fetching {part.name}", hint="Wait for it, or end it.", code="busy"
                ) from None
        yield target


def _refuse_leading_out(folder: Path, path: Path) -> None:
    """Raise where *path*, below *folder*, or a folder between them is a link to somewhere else."""
    inside = folder.resolve()
    for each in (path, *path.parents):
        if each == folder:
            return
        if each.is_symlink() and not each.resolve().is_relative_to(inside):
            raise EngineError(
                f"{each} is a link out of the cache", hint="Remove it, and run the command again.", code="cannot_write"
            )


def _point(pointer: Path, blob: Path) -> None:
    """Make *pointer* lead to *blob*; where links cannot be made the file itself moves there."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        blob.replace(pointer)


def _sha256(file: RepoFile, repo: Repo) -> str:
    if file.sha256 is None:
        raise EngineError(
            f"hf.co/{repo.name}/{file.path}: the hub states no sha256",
            hint=f"Fetch it unchecked: hf download {repo.name} {file.path}",
            code="no_checksum",
        )
    return file.sha256


def _is_whole(path: Path, file: RepoFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _refuse(folder, error)


def _refuse(folder: Path, error: OSError) -> NoReturn:
    full = error.errno in (ENOSPC, EDQUOT)
    hint = "Free some space and run the command again: it goes on where it stopped." if full else "Check the folder."
    code = "disk_full" if full else "cannot_write"
    raise EngineError(f"{folder}: {error.strerror or error}", hint=hint, code=code) from None
