"""Commits a plan's files with the user's git, and nothing else of a tree that may be dirty."""

import os
import subprocess

from aidx.adapters import gitprograms
from aidx.adapters.gitcall import call
from aidx.errors import CheckError, InputError


class Git:
    """The repository that the folder *root* lies in."""

    def __init__(self, root: str) -> None:
        self._root = root

    def check(self) -> None:
        """See ``ports.Repository``."""
        if self._run("rev-parse", "--is-inside-work-tree").stdout.strip() != "true":
            raise InputError(f"{self._root} is in no git repository", hint="Leave --commit out, or run git init.")

    def commit(self, message: str, paths: tuple[str, ...]) -> str:
        """See ``ports.Repository``."""
        self._check_not_run(paths)
        known = tuple(path for path in paths if self._there(path))
        self._must("add", "--", *known)
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
        tracked = self._run("ls-files", "--error-unmatch", "--", path).returncode == 0
        return tracked or os.path.lexists(os.path.join(self._root, path))  # noqa: PTH118 - no path is built, only asked

    def _must(self, *arguments: str, text: str | None = None) -> str:
        done = self._run(*arguments, text=text)
        if done.returncode:
            said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[:400]
            raise CheckError(
                f"git {arguments[0]} is refused: {said}",
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
