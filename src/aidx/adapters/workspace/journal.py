"""Several files changed as one: a cut at any point leaves the old tree, or one that is finished later.

New contents are staged below ``.aidx`` and put on the disk, then the journal is, under its final name: from that
moment on the change holds. Moving the staged files to their places can be repeated as often as it takes.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from aidx.errors import CheckError

FOLDER = ".aidx/edit"
JOURNAL = f"{FOLDER}/journal"


class Disk(Protocol):
    """The steps that a journal takes, each of which may be the last; ``Tree`` is one."""

    def read(self, path: str) -> bytes | None: ...  # noqa: D102 - as in Tree
    def mode(self, path: str) -> int | None: ...  # noqa: D102
    def write(self, path: str, data: bytes, mode: int = 0o666) -> None: ...  # noqa: D102
    def set_mode(self, path: str, mode: int) -> None: ...  # noqa: D102
    def rename(self, old: str, new: str) -> None: ...  # noqa: D102
    def unlink(self, path: str) -> None: ...  # noqa: D102
    def sync(self, path: str) -> None: ...  # noqa: D102
    def names(self, folder: str) -> list[str]: ...  # noqa: D102


class Step(Struct, frozen=True):
    """What becomes of the file at *path*: *staged* takes its place (``None``: it is deleted).

    *old* and *new* are digests of its bytes before and after, ``None`` where there is no file.
    """

    path: str
    staged: str | None
    old: str | None
    new: str | None


def digest(data: bytes | None) -> str | None:
    """What tells contents apart."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def commit(disk: Disk, changes: Mapping[str, bytes | None], before: Mapping[str, bytes | None]) -> None:
    """Make *changes*; raises ``CheckError``, with nothing written, where a file is not as it was *before*."""
    steps = [
        Step(path, None if data is None else f"{FOLDER}/new-{number}", digest(before[path]), digest(data))
        for number, (path, data) in enumerate(sorted(changes.items()))
    ]
    for step in steps:
        _check(disk, step, {step.old})
    try:
        _stage(disk, steps, changes)
    except OSError:
        _sweep(disk)
        raise
    settle(disk, steps, before)


def settle(disk: Disk, steps: list[Step], before: Mapping[str, bytes | None]) -> None:
    """Move what is staged to its places, or, where that fails, put back what was there *before*."""
    try:
        _finish(disk, steps)
    except OSError:
        _undo(disk, steps, before)
        raise


def _stage(disk: Disk, steps: list[Step], changes: Mapping[str, bytes | None]) -> None:
    """Everything up to the moment from which the change holds."""
    for step in steps:
        data = changes[step.path]
        if step.staged is not None and data is not None:
            disk.write(step.staged, data)
            if (mode := disk.mode(step.path)) is not None:
                disk.set_mode(step.staged, mode)
    text = json.dumps([[step.path, step.staged, step.old, step.new] for step in steps])
    disk.write(f"{JOURNAL}.tmp", text.encode())
    disk.sync(JOURNAL)
    disk.rename(f"{JOURNAL}.tmp", JOURNAL)
    disk.sync(JOURNAL)


def _undo(disk: Disk, steps: list[Step], before: Mapping[str, bytes | None]) -> None:
    """The old tree again, after a file could not be put in its place (a folder without write permission, say)."""
    for step in steps:
        if step.staged is not None and disk.read(step.staged) is not None:
            continue  # never moved
        data = before[step.path]
        if data is None:
            disk.unlink(step.path)
        elif digest(disk.read(step.path)) != step.old:
            mode = disk.mode(step.path)
            disk.write(f"{FOLDER}/old", data)
            if mode is not None:
                disk.set_mode(f"{FOLDER}/old", mode)
            disk.rename(f"{FOLDER}/old", step.path)
    disk.unlink(JOURNAL)
    _sweep(disk)


def _sweep(disk: Disk) -> None:
    for name in disk.names(FOLDER):
        disk.unlink(f"{FOLDER}/{name}")


def recover(disk: Disk) -> bool:
    """Finish a change that was cut off; say whether there was one.

    Raises ``CheckError`` where a file was changed by someone else since.
    """
    text = disk.read(JOURNAL)
    if text is not None:
        steps = [Step(*fields) for fields in json.loads(text)]
        for step in steps:
            _check(disk, step, {step.old, step.new})
        _finish(disk, steps)
    _sweep(disk)
    return text is not None


def _finish(disk: Disk, steps: list[Step]) -> None:
    for step in steps:
        if step.staged is None:
            disk.unlink(step.path)
        elif disk.read(step.staged) is not None:
            disk.rename(step.staged, step.path)
        disk.sync(step.path)
    disk.unlink(JOURNAL)
    disk.sync(JOURNAL)


def _check(disk: Disk, step: Step, expected: set[str | None]) -> None:
    if digest(disk.read(step.path)) not in expected:
        raise CheckError(
            f"{step.path} was changed by someone else in the meantime",
            hint="Look at it and run again; delete .aidx/edit to drop a change that was cut off.",
        )
