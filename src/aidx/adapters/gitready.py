"""Whether a commit can be made, asked before anybody is paid: nothing is written, no hook is run."""

import os
from collections.abc import Iterator
from pathlib import Path

from aidx.adapters.gitcall import LOOKING, call
from aidx.errors import InputError

_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}
_LEAVE = "Correct that, or leave --commit out."


def must_be_ready(root: str, paths: tuple[str, ...]) -> None:
    """Raise ``InputError`` where git would not commit *paths* in the tree at *root*."""
    if _said(root, "rev-parse", "--is-inside-work-tree") != "true":
        raise InputError(f"{root} is in no git repository", hint="Leave --commit out, or run git init.")
    if any(call(root, *LOOKING, "var", f"GIT_{who}_IDENT").returncode for who in ("AUTHOR", "COMMITTER")):
        raise InputError("git knows no name and address to commit with", hint="Set user.name and user.email.")
    for mark, what in _UNDER_WAY.items():
        if os.path.lexists(os.path.join(root, _said(root, "rev-parse", "--git-path", mark))):  # noqa: PTH118 - only asked
            raise InputError(f"{what} is under way, in which git commits no single files", hint=f"Finish it. {_LEAVE}")
    if _said(root, "ls-files", "--unmerged"):
        raise InputError("git has files with conflicts, and commits nothing before they are solved", hint=_LEAVE)
    if wrong := [*_elsewhere(root, paths), *_ignored(root, paths)]:
        raise InputError(f"git would not commit {'; '.join(wrong)}", hint=_LEAVE)


def uncommitted(root: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *paths* that are not as the last commit has them."""
    prefix = _said(root, "rev-parse", "--show-prefix")
    told = call(
        root, *LOOKING, "--no-optional-locks", "status", "--porcelain", "-z", "--no-renames", "-uall", "--", *paths
    )
    return tuple(line[3:].removeprefix(prefix) for line in told.stdout.split("\0") if line)


def _elsewhere(root: str, paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        for above in Path(path).parents[:-1]:
            if os.path.lexists(Path(root, above, ".git")):
                yield f"{path}: {above} is a repository of its own"


def _ignored(root: str, paths: tuple[str, ...]) -> Iterator[str]:
    words = ("--no-literal-pathspecs", "check-ignore", "-z", "--stdin")  # it takes paths, and says no to the option
    told = call(root, *LOOKING, *words, text="\0".join(paths)).stdout
    yield from (f"{path}: it is ignored" for path in told.split("\0") if path)


def _said(root: str, *words: str) -> str:
    return call(root, *LOOKING, *words).stdout.strip()
