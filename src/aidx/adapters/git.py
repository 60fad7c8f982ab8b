"""Commits a plan's files with the user's git, and nothing else of a tree that may be dirty."""

import os
import subprocess

from aidx.adapters import gitprograms, gitready
from aidx.adapters.gitcall import call
from aidx.errors import CheckError, InputError

_SILENT = "it says nothing of the reason; a hook that fails without a word does so"


class Git:
    """The repository that the folder *root* lies in."""

    def __init__(self, root: str) -> None:
        self._root = root

    def check(self, paths: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See ``ports.Repository``."""
        self._run("version")
        gitready.must_be_ready(self._root, paths)
        return gitready.uncommitted(self._root, paths) if paths else ()

    def commit(self, message: str, paths: tuple[str, ...]) -> str:
        """See ``ports.Repository``."""
        self._check_not_run(paths)
        known = tuple(path for path in paths if self._there(path))
        new = tuple(path for path in known if not self._is_tracked(path))
        try:
            return self._committed(message, known, new)
        except (CheckError, InputError, KeyboardInterrupt):
            if new:  # what was staged before stays; what we announced is nobody's
                self._run("update-index", "--force-remove", "--", *new)
            raise

    def _committed(self, message: str, known: tuple[str, ...], new: tuple[str, ...]) -> str:
        if new:
            self._must("add", "--intent-to-add", "--", *new)
        if self._run("diff", "--quiet", "HEAD", "--", *known).returncode == 0:  # made before a run was cut off
            return self._made_before(message, known)
        self._must("commit", "--quiet", "--only", "--file=-", "--", *known, text=message)
        return self._must("rev-parse", "HEAD")

    def _check_not_run(self, paths: tuple[str, ...]) -> None:
        """Whatever the configuration has become since the plan was checked: the commit runs nothing of *paths*."""
        if found := gitprograms.named(self._root, paths):
            raise CheckError(
                f"git commit is not tried: {'; '.join(f'{path} {why}' for path, why in found.items())}",
                hint="The files stay as planned: look at them, and commit them yourself.",
                code="commit_refused",
            )

    def _made_before(self, message: str, paths: tuple[str, ...]) -> str:
        """The last commit of *paths*, if it is ours: a hook may have put something around the subject."""
        name, _, said = self._must("log", "-1", "--format=%H%n%B", "--", *paths).partition("\n")
        if message.strip().partition("\n")[0] in said:
            return name
        raise CheckError(
            "there is nothing to commit: the plan's files are as the last commit has them",
            hint="The files stay as planned; nothing is left to do.",
            code="commit_refused",
        )

    def _there(self, path: str) -> bool:
        """Whether git or the tree knows *path*: a file that was never committed and is deleted is neither."""
        return self._is_tracked(path) or os.path.lexists(os.path.join(self._root, path))  # noqa: PTH118 - no path is built, only asked

    def _is_tracked(self, path: str) -> bool:
        return self._run("ls-files", "--error-unmatch", "--", path).returncode == 0

    def _must(self, *arguments: str, text: str | None = None) -> str:
        done = self._run(*arguments, text=text)
        if done.returncode:
            said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[:400]
            raise CheckError(
                f"git {arguments[0]} is refused: {said or _SILENT}",
                hint="The files stay as planned: commit them yourself, or run again with --resume.",
                code="commit_refused",
            )
        return done.stdout.strip()

    def _run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return call(self._root, *arguments, text=text)
        except OSError as error:
            raise InputError(
                f"git cannot be started: {error.strerror}", hint="Install git, or omit --commit."
            ) from None
