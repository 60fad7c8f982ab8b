"""Several files changed as one: a cut at any point leaves the old tree, or one that is finished later.

New contents are staged below ``.aidx`` and put on the disk, then the journal is, under its final name: from that
moment on the change holds. Moving the staged files to their places can be repeated as often as it takes.

What stands in the place of a file (a link, a folder) is moved aside first, where the change says so: it is neither
followed nor deleted.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

from aidx.errors import CheckError
from aidx.ports.workspace import Back, RefusedPathError

FOLDER = ".aidx/edit"
JOURNAL = f"{FOLDER}/journal"
PLAIN = Back()


class Disk(Protocol):
    """The steps that a journal takes, each of which may be the last; ``Tree`` is one."""

    def read(self, path: str) -> bytes | None: ...  # noqa: D102 - as in Tree
    def mode(self, path: str) -> int | None: ...  # noqa: D102
    def obstacle(self, path: str) -> str | None: ...  # noqa: D102
    def write(self, path: str, data: bytes, mode: int = 0o666) -> None: ...  # noqa: D102
    def set_mode(self, path: str, mode: int) -> None: ...  # noqa: D102
    def rename(self, old: str, new: str) -> None: ...  # noqa: D102
    def unlink(self, path: str) -> None: ...  # noqa: D102
    def rmdir(self, path: str) -> None: ...  # noqa: D102
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


class Move(NamedTuple):
    """What stands at *at*, in the way of a file, goes to *to*."""

    at: str
    to: str

    def clears(self, path: str) -> bool:
        """Whether *path* is free when it has gone."""
        return f"{path}/".startswith(f"{self.at}/")

    def is_made(self, disk: Disk) -> bool:
        """Whether it has gone; a name that is not there is not taken twice."""
        return disk.mode(self.to) is not None


def digest(data: bytes | None) -> str | None:
    """What tells contents apart."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def commit(
    disk: Disk, changes: Mapping[str, bytes | None], before: Mapping[str, bytes | None], back: Back = PLAIN
) -> tuple[Move, ...]:
    """Make *changes*, and say what was moved aside for them.

    Raises ``CheckError``, with nothing written, where a file is not as it was *before*.
    """
    steps = [
        Step(path, None if data is None else f"{FOLDER}/new-{number}", digest(before[path]), digest(data))
        for number, (path, data) in enumerate(sorted(changes.items()))
    ]
    _check_apart(changes)
    moves = _moves(disk, back)
    for step in steps:
        if step.path not in back.blocked:
            _check(disk, step, {step.old})
    try:
        _stage(disk, steps, changes, moves, back)
    except (OSError, RefusedPathError):
        _sweep(disk)
        raise
    settle(disk, steps, before, moves)
    return moves


def settle(disk: Disk, steps: list[Step], before: Mapping[str, bytes | None], moves: tuple[Move, ...] = ()) -> None:
    """Move what is staged to its places, or, where that fails, put back what was there *before*."""
    try:
        _finish(disk, steps, moves)
    except (OSError, RefusedPathError):
        _undo(disk, steps, before, moves)
        raise


def _check_apart(changes: Mapping[str, bytes | None]) -> None:
    """Raise ``RefusedPathError`` where one file would have to be the folder of another."""
    written = {path for path, data in changes.items() if data is not None}
    for path in sorted(written):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if (folder := "/".join(parts[:depth])) in written:
                raise RefusedPathError("not_allowed", f"{folder} cannot be a file and the folder of {path}")


def _moves(disk: Disk, back: Back) -> tuple[Move, ...]:
    found: dict[str, None] = {}
    for path in back.blocked:
        if (at := disk.obstacle(path)) is None:
            raise _changed(path)
        found[at] = None
    taken = len(disk.names(back.aside)) if found else 0
    return tuple(
        Move(at, f"{back.aside}/{number}-{at.rpartition('/')[2]}") for number, at in enumerate(found, taken + 1)
    )


def _stage(
    disk: Disk, steps: list[Step], changes: Mapping[str, bytes | None], moves: tuple[Move, ...], back: Back
) -> None:
    """Everything up to the moment from which the change holds."""
    for step in steps:
        data = changes[step.path]
        if step.staged is not None and data is not None:
            disk.write(step.staged, data)
            there = None if step.path in back.blocked else disk.mode(step.path)
            if (mode := back.modes.get(step.path, there)) is not None:
                disk.set_mode(step.staged, mode)
    told = {"aside": moves, "steps": [[step.path, step.staged, step.old, step.new] for step in steps]}
    disk.write(f"{JOURNAL}.tmp", json.dumps(told).encode())
    disk.sync(JOURNAL)
    disk.rename(f"{JOURNAL}.tmp", JOURNAL)
    disk.sync(JOURNAL)


def _undo(disk: Disk, steps: list[Step], before: Mapping[str, bytes | None], moves: tuple[Move, ...]) -> None:
    """The old tree again, after a file could not be put in its place (a folder without write permission, say)."""
    for step in steps:
        if any(move.clears(step.path) and not move.is_made(disk) for move in moves):
            continue
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
    for move in moves:
        if move.is_made(disk):
            _clear(disk, [step.path for step in steps if move.clears(step.path)], move.at)
            disk.rename(move.to, move.at)
    disk.unlink(JOURNAL)
    _sweep(disk)


def _clear(disk: Disk, paths: list[str], at: str) -> None:
    """Delete the folders that were made on the way from *at* to *paths*."""
    parts = [path.split("/") for path in paths]
    every = {"/".join(part[:depth]) for part in parts for depth in range(1, len(part))}
    for folder in sorted((folder for folder in every if f"{folder}/".startswith(f"{at}/")), key=len, reverse=True):
        disk.rmdir(folder)


def _sweep(disk: Disk) -> None:
    for name in disk.names(FOLDER):
        disk.unlink(f"{FOLDER}/{name}")


def recover(disk: Disk) -> bool:
    """Finish a change that was cut off; say whether there was one.

    Raises ``CheckError`` where a file was changed by someone else since.
    """
    text = disk.read(JOURNAL)
    if text is not None:
        told = json.loads(text)
        steps, moves = [Step(*fields) for fields in told["steps"]], tuple(Move(*fields) for fields in told["aside"])
        for step in steps:
            _check_again(disk, step, moves)
        _finish(disk, steps, moves)
    _sweep(disk)
    return text is not None


def _check_again(disk: Disk, step: Step, moves: tuple[Move, ...]) -> None:
    move = next((move for move in moves if move.clears(step.path)), None)
    if move is None or move.is_made(disk):
        _check(disk, step, {step.old, step.new})
    elif disk.mode(move.at) is not None and disk.obstacle(move.at) is None:
        raise _changed(step.path)


def _finish(disk: Disk, steps: list[Step], moves: tuple[Move, ...]) -> None:
    for move in moves:
        if not move.is_made(disk) and disk.mode(move.at) is not None:
            disk.rename(move.at, move.to)
        disk.sync(move.to)
        disk.sync(move.at)
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
        raise _changed(step.path)


def _changed(path: str) -> CheckError:
    return CheckError(
        f"{path} was changed by someone else in the meantime",
        hint="Look at it and run again; delete .aidx/edit to drop a change that was cut off.",
    )
