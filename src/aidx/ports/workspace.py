"""The ports to the disk: the tree that is edited, and what a run leaves beside it."""

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from aidx.errors import CheckError


class RefusedPathError(CheckError):
    """A path that a workspace does not touch; *reason* says which rule it breaks."""

    code = "path_refused"

    def __init__(self, reason: Literal["not_allowed", "outside_root"], detail: str) -> None:
        super().__init__(detail, hint="Name a regular file below the root, by its own path.")
        self.reason: Literal["not_allowed", "outside_root"] = reason
        self.detail = detail


class Grounds(Struct, frozen=True):
    """What was around files: folders above them that were *missing*, the innermost first, and the files' *modes*."""

    missing: tuple[str, ...] = ()
    modes: Mapping[str, int] = {}


class Back(Struct, frozen=True):
    """How files are put back: with their *modes*; what stands in the place of *blocked* ones is moved into *aside*."""

    modes: Mapping[str, int] = {}
    blocked: tuple[str, ...] = ()
    aside: str = ""


class Workspace(Protocol):
    """A tree of files that is changed as a whole or not at all; paths are relative, ``/`` between their parts.

    No link is ever followed. One process at a time holds it.
    """

    def read(self, path: str) -> bytes | None:
        """The bytes of the file at *path*, ``None`` where there is none.

        Raises ``RefusedPathError`` for a path that leaves the tree, goes through a link or names no regular file.
        """
        ...

    def write(
        self, changes: Mapping[str, bytes | None], before: Mapping[str, bytes | None], back: Back | None = None
    ) -> tuple[tuple[str, str], ...]:
        """Give each file of *changes* its new bytes (``None``: delete it), all of them or none.

        *before* holds what was read of each (``None`` for one that is blocked); a file that changed since is a
        ``CheckError``, and nothing is written. A process that dies at any point leaves a tree that the next one
        finishes or finds unchanged. Until ``close`` no other process writes. Returns what was moved aside, and where
        to; it is never followed nor deleted.
        """
        ...

    def grounds(self, paths: Iterable[str]) -> Grounds:
        """What is around *paths* now."""
        ...

    def prune(self, folders: Iterable[str]) -> None:
        """Delete those of *folders* that are empty; the innermost come first."""
        ...

    def close(self) -> None:
        """Let another process have it."""
        ...


class Records(Protocol):
    """What one run leaves on the disk: files that only grow, or are written once, under names without folders."""

    @property
    def name(self) -> str:
        """What the run is called."""
        ...

    def read(self, name: str) -> bytes | None:
        """The bytes of the file *name*, ``None`` where there is none."""
        ...

    def append(self, name: str, data: bytes, *, sync: bool = True) -> None:
        """Put *data* at the end of the file *name*: safe from a kill when this returns, on the disk with *sync*."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Give the file *name* the bytes *data*, whole or not at all."""
        ...

    def close(self) -> None:
        """Let another process go on with the run."""
        ...
