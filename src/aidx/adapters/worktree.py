"""A working tree for one errand: a git worktree of the user's repository with the errand's files in it, no others.

Where there is no git, or no commit yet, it is a plain folder.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from aidx.errors import EngineError

_NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")


class Worktree:
    """The folder *folder* with *files*, beside the tree at *root*; ``None`` is a file that is to be made: empty."""

    def __init__(self, root: str, folder: Path, files: Mapping[str, bytes | None]) -> None:
        self.folder = folder
        self._root = root
        self._files = files
        self._under_git = False

    def __enter__(self) -> Self:
        self._under_git = self._added()
        self.folder.mkdir(exist_ok=True)
        for path, data in self._files.items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data or b"")
        return self

    def __exit__(self, *_: object) -> None:
        if self._under_git:
            self._git(self._root, "worktree", "remove", "--force", "--force", str(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def flags(self) -> tuple[str, ...]:
        """What aider has to know of it."""
        return () if self._under_git else ("--no-git",)

    def changed(self) -> dict[str, bytes | None]:
        """Every file that is not as it was given, ``None`` for one that is gone; a link is no file."""
        found: dict[str, bytes | None] = {}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if name != ".git" and not name.startswith((".git/", ".aider")) and (path.is_symlink() or path.is_file()):
                found[name] = None if path.is_symlink() else path.read_bytes()
        given = {path: data or b"" for path, data in self._files.items()}
        gone: dict[str, bytes | None] = {path: None for path in given if path not in found}
        return gone | {path: data for path, data in found.items() if data is None or given.get(path) != data}

    def _added(self) -> bool:
        """Whether git has made it; the index knows every file, and none of them is looked for."""
        if shutil.which("git") is None or not self._git(self._root, "rev-parse", "--verify", "--quiet", "HEAD"):
            return False
        where = self._git(self._root, "rev-parse", "--show-prefix")
        if where is None or where.strip():
            return False  # a folder inside a repository: paths would not be those of the plan
        if self._git(self._root, "worktree", "add", "--no-checkout", "--detach", str(self.folder), "HEAD") is None:
            return False
        self._git(str(self.folder), "read-tree", "HEAD")
        every = self._git(str(self.folder), "ls-files", "-z") or ""
        self._git(str(self.folder), "update-index", "-z", "--skip-worktree", "--stdin", text=every)
        return True

    def _git(self, folder: str, *words: str, text: str = "") -> str | None:
        """What git says, ``None`` where it fails."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(
                ["git", "-C", folder, *_NO_HOOKS, *words],  # noqa: S607 - the user's own
                env=environment,
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise EngineError(f"git cannot be started: {error.strerror}") from None
        return done.stdout if done.returncode == 0 else None
