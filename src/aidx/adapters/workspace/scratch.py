"""A repository to try things in, deleted afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aidx.errors import EngineError

_OWN = {".git", ".aidx"}
_SETTINGS = {  # nothing of the user's: no hooks, no signing, no name
    "user.name": "aidx demo",
    "user.email": "demo@example.invalid",
    "commit.gpgsign": "false",
    "core.hooksPath": os.devnull,
}


class Scratch:
    """A folder with *files*, under git where that is installed (*commits*)."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="aidx-scratch-"))
        self.root = str(self._folder)
        for name, text in files.items():
            (self._folder / name).write_text(text, encoding="utf-8", newline="")
        self.commits = shutil.which("git") is not None
        if self.commits:
            self._begin()

    def tree(self) -> dict[str, bytes]:
        """Every file but git's and our own."""
        return {
            str(path.relative_to(self._folder)): path.read_bytes()
            for path in sorted(self._folder.rglob("*"))
            if path.is_file() and not _OWN & set(path.relative_to(self._folder).parts)
        }

    def close(self) -> None:
        """Delete it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> None:
        self._git("init", "--quiet", "--template=")
        for name, value in _SETTINGS.items():
            self._git("config", name, value)
        self._git("add", ".")
        self._git("commit", "--quiet", "--message", "chore: begin")

    def _git(self, *words: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-C", self.root, *words],  # noqa: S607 - the user's own
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.close()
            raise EngineError(f"git {words[0]} failed in a new folder: {' '.join(done.stderr.split())[:200]}")
