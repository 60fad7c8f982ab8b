"""A workspace that is held by this process: the port's implementation."""

import os
from collections.abc import Iterable, Mapping

from aidx.adapters.workspace import journal, lock
from aidx.adapters.workspace.failing import hint, writing
from aidx.adapters.workspace.tree import Tree
from aidx.errors import CheckError, InputError
from aidx.ports.workspace import Back, Grounds

LOCK = ".aidx/lock"


class HeldWorkspace:
    """The tree at *root*; from the first change on it belongs to this process alone, until ``close``.

    A change that was cut off is finished first. Reading needs no lock: a change says what it read, and is not made
    where that is not so any more. Raises ``CheckError`` where another process is changing the tree; the kernel lets
    go of a lock whose holder died.
    """

    def __init__(self, root: str) -> None:
        self.tree = Tree(root)
        self._lock: int | None = None
        try:
            if self.tree.names(journal.FOLDER):
                with writing(f"{self.tree.root}/.aidx"):
                    self._hold()
        except BaseException:  # whatever it is, the folder is let go
            self.close()
            raise

    def read(self, path: str) -> bytes | None:
        """See ``ports.Workspace``."""
        return self.tree.read(path)

    def write(
        self, changes: Mapping[str, bytes | None], before: Mapping[str, bytes | None], back: Back | None = None
    ) -> tuple[tuple[str, str], ...]:
        """See ``ports.Workspace``."""
        try:
            self._hold()
            if not changes:
                return ()
            return journal.commit(self.tree, changes, before, back or Back())
        except KeyboardInterrupt:
            journal.recover(self.tree)  # nothing is built on a change that is half made
            raise
        except OSError as error:
            raise InputError(
                f"cannot write in {self.tree.root}: {error.strerror}; nothing was changed",
                hint=hint(error),
                code="cannot_write",
            ) from None

    def grounds(self, paths: Iterable[str]) -> Grounds:
        """See ``ports.Workspace``."""
        every = tuple(paths)
        return Grounds(self.tree.missing(every), self.tree.modes(every))

    def prune(self, folders: Iterable[str]) -> None:
        """See ``ports.Workspace``."""
        for folder in folders:
            self.tree.rmdir(folder)

    def close(self) -> None:
        """See ``ports.Workspace``."""
        if self._lock is not None:
            os.close(self._lock)
        self.tree.close()

    def _hold(self) -> None:
        """Take the lock, where this process has it not yet, and finish what was cut off."""
        if self._lock is None:
            self._lock = self._take()
            journal.recover(self.tree)

    def _take(self) -> int:
        keep_out(self.tree)
        try:
            return lock.take(self.tree.root / LOCK)
        except lock.HeldError as held:
            raise CheckError(
                f"another process changes {self.tree.root}: {held}",
                hint="Wait until it is done, or stop it.",
                code="tree_busy",
            ) from None


def keep_out(tree: Tree) -> None:
    """Make git overlook our own folder."""
    if tree.read(".aidx/.gitignore") is None:
        tree.write(".aidx/.gitignore", b"*\n")
