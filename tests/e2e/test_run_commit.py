"""``aidx run --commit``: what git would refuse is told before anybody is asked, and the index stays as it was."""

import os
import subprocess

import pytest
from tests.running import aidx, ended

SOURCE = "def last(rows):\n    return rows[-1]\n"
PLAN = """# Plan: a limit

## Files
- `sub/rows.py` (edit)

## Steps
1. `sub/rows.py::last`: Add a parameter limit with default 10.

## Commit
feat: a limit
"""


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "rows.py").write_text(SOURCE)
    (tmp_path / "plan.md").write_text(PLAN)
    git(root, "init", "-q")
    git(root, "config", "user.name", "x")
    git(root, "config", "user.email", "x@example.org")
    (root / "keep").write_text("1\n")
    git(root, "add", "keep")
    git(root, "commit", "-qm", "chore: begin")
    return root


def git(root, *words):
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True).stdout


def committed(root, *words):
    hidden = dict.fromkeys(name for name in os.environ if name.startswith(("GIT_", "EMAIL")))
    ours = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return ended("run", "--plan", "../plan.md", "--yes", "--commit", *words, folder=root, **(hidden | ours))


def ignored(root):
    (root / ".gitignore").write_text("rows.py\n")


def nested(root):
    git(root / "sub", "init", "-q")


def nameless(root):
    git(root, "config", "--unset", "user.name")
    git(root, "config", "--unset", "user.email")
    git(root, "config", "user.useConfigOnly", "true")


def merging(root):
    (root / ".git" / "MERGE_HEAD").write_text(git(root, "rev-parse", "HEAD"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (ignored, "git would not commit sub/rows.py: it is ignored"),
        (nested, "git would not commit sub/rows.py: sub is a repository of its own"),
        (nameless, "git knows no name and address"),
        (merging, "a merge is under way"),
    ],
)
def test_what_git_would_refuse_is_told_before_anybody_is_asked(root, spoil, said):
    spoil(root)
    done = committed(root)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "asking" not in done.stderr
    assert (root / "sub" / "rows.py").read_text() == SOURCE


@pytest.mark.parametrize("tracked", [True, False])
def test_a_refused_commit_leaves_the_index_as_it_was(root, tracked):
    if tracked:
        git(root, "add", "sub/rows.py")
    hook = root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    before = git(root, "ls-files", "--stage", "--debug", "sub/rows.py").split("\n")[:1]

    done = committed(root)

    assert done.returncode == 5, done.stderr
    assert "git commit is refused: it says nothing of the reason" in done.stderr
    assert git(root, "ls-files", "--stage", "--debug", "sub/rows.py").split("\n")[:1] == before
    hook.unlink()
    name = done.stderr.split("--resume ")[1].split()[0].strip(".")
    aidx("run", "--resume", name, folder=root)
    assert "limit=10" in git(root, "show", "HEAD:sub/rows.py")


def test_edits_that_are_not_committed_are_told(root):
    git(root, "add", ".")
    git(root, "commit", "-qm", "chore: rows")
    (root / "sub" / "rows.py").write_text(SOURCE + "\n# mine\n")

    done = committed(root)

    assert done.returncode == 0, done.stderr
    assert "preflight: sub/rows.py has edits that are not committed: they would be in the commit, too" in done.stderr
    assert git(root, "status", "--porcelain", "--untracked-files=no") == ""
