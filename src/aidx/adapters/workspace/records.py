"""What a run leaves below ``.aidx/runs``: the port's implementation."""

import os
import re
import secrets
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from aidx.adapters.workspace import lock
from aidx.adapters.workspace.failing import writing
from aidx.adapters.workspace.held import keep_out
from aidx.adapters.workspace.tree import Tree
from aidx.errors import CheckError, InputError

FOLDER = ".aidx/runs"
_NAME = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")


class RunRecords:
    """The files of the run *name* of the tree at *root*, held by this process until ``close``.

    Without a *name* a new run is begun. Raises ``InputError`` for a run that is not there, ``CheckError`` for one
    that another process is driving.
    """

    def __init__(self, root: str, name: str | None = None) -> None:
        self.tree = Tree(root)
        self._lock: int | None = None
        self.name = name or f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
        with ExitStack() as failing:
            failing.callback(self.close)
            if name is not None:
                self._check(name)
            with self._writing("lock"):
                keep_out(self.tree)
                self._lock = self._take()
            failing.pop_all()

    def read(self, name: str) -> bytes | None:
        """See ``ports.Records``."""
        return self.tree.read(self._path(name))

    def append(self, name: str, data: bytes, *, sync: bool = True) -> None:
        """See ``ports.Records``."""
        with self._writing(name):
            self.tree.append(self._path(name), data, sync=sync)

    def write(self, name: str, data: bytes) -> None:
        """See ``ports.Records``."""
        with self._writing(name):
            self.tree.write(self._path(f"{name}.tmp"), data)
            self.tree.rename(self._path(f"{name}.tmp"), self._path(name))
            self.tree.sync(self._path(name))

    def close(self) -> None:
        """See ``ports.Records``."""
        if self._lock is not None:
            os.close(self._lock)
        self.tree.close()

    def _writing(self, name: str) -> AbstractContextManager[None]:
        return writing(f"{self.tree.root}/{self._path(name)}")

    def _path(self, name: str) -> str:
        return f"{FOLDER}/{self.name}/{name}"

    def _check(self, name: str) -> None:
        if not _NAME.fullmatch(name) or not self.tree.names(f"{FOLDER}/{name}"):
            last = self.tree.names(FOLDER)[-3:]
            known = f" (the last ones: {', '.join(last)})" if last else ", and no run was begun here"
            raise InputError(f"there is no run {name!r} below {self.tree.root}{known}", hint="Give its ID, and --root.")

    def _take(self) -> int:
        self.tree.append(self._path("lock"), b"")
        try:
            return lock.take(self.tree.root / self._path("lock"))
        except lock.HeldError as held:
            raise CheckError(f"another process drives run {self.name}: {held}", hint="Wait until it is done.") from None


def driver(root: str, name: str) -> str | None:
    """Which process drives the run *name* below *root* now; ``None`` where it was killed, or has ended."""
    return lock.holder(Path(root, FOLDER, name, "lock"))


def on_trial(root: str, file: str, mark: bytes) -> str | None:
    """The last run below *root* whose *file* says *mark*; ``None`` where there is none."""
    tree = Tree(root)
    try:
        for name in sorted(tree.names(FOLDER), reverse=True):
            if _NAME.fullmatch(name) and tree.read(f"{FOLDER}/{name}/{file}") == mark:
                return name
    finally:
        tree.close()
    return None
