"""No plan changes what git or a check runs: hooks, programs of git's configuration, the scripts of checks."""

import json
import subprocess
import sys

import pytest
from tests.running import aidx, ended

from aidx.adapters.git import Git
from aidx.errors import CheckError

SOURCE = "def last(rows):\n    return rows[-1]\n"
PLAN = """# Plan: a limit

## Files
- `{0}` ({1})

## Steps
1. `{0}`: Add a parameter limit with default 10.

## Commit
feat: a limit
"""


@pytest.fixture
def root(tmp_path):
    for path in ("tools/rows.py", "chk.py", "hk/lib/rows.py", "tests/test_rows.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(SOURCE)
    git(tmp_path, "init", "-q")
    return tmp_path


def git(root, *words):
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def planned(root, path, action="edit"):
    """What ``aidx run`` says of a plan for *path*, before it asks anybody."""
    (root / "plan.md").write_text(PLAN.format(path, action))
    return ended("run", "--plan", "plan.md", "--dry-run", folder=root)


def refused(root, path, why, action="edit"):
    done = planned(root, path, action)
    assert done.returncode == 2, done.stderr
    assert f"{path} {why}; no plan may change it" in done.stderr


def test_the_folder_of_hooks_is_closed(root):
    assert planned(root, "hk/lib/rows.py").returncode == 0

    git(root, "config", "core.hooksPath", "hk")
    refused(root, "hk/lib/rows.py", "is in the folder of git's hooks")
    refused(root, "hk/pre-commit", "is in the folder of git's hooks", "create")
    git(root, "config", "core.hooksPath", str(root / "hk"))
    refused(root, "hk/lib/rows.py", "is in the folder of git's hooks")
    git(root, "config", "--unset", "core.hooksPath")
    (root / ".git" / "hooks" / "pre-push").symlink_to("../../tools/rows.py")
    refused(root, "tools/rows.py", "is run by a hook of git")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("core.fsmonitor", "./tools/rows.py"),
        ("filter.x.clean", "python3 tools/rows.py --clean"),
        ("alias.x", "!f() { tools/rows.py; }; f"),
        ("diff.X.textconv", "'tools/rows.py'"),
    ],
)
def test_what_git_s_configuration_runs_is_closed(root, key, value):
    git(root, "config", key, value)

    refused(root, "tools/rows.py", f"is named by git's {key}")
    assert planned(root, "chk.py").returncode == 0


def test_a_part_of_git_s_configuration_is_closed(root):
    git(root, "config", "include.path", "../tools/git.cfg")
    refused(root, "tools/git.cfg", "is named by git's include.path", "create")


@pytest.mark.parametrize(
    "argv",
    [
        ["./chk.py"],
        [sys.executable, "-B", "-W", "ignore", "chk.py"],
        ["python3", "-m", "chk"],
        ["bash", "-euo", "pipefail", "-c", "cd . && if ! './chk.py' a; then false; fi"],
    ],
)
def test_what_a_check_runs_is_closed_and_its_tests_are_not(root, argv):
    (root / "chk.py").chmod(0o755)
    (root / "aidx.toml").write_text(f"[checks]\nc = {json.dumps([*argv, 'tests/test_rows.py'])}\n")

    refused(root, "chk.py", "is run by check c")
    assert planned(root, "tests/test_rows.py").returncode == 0


def test_tests_that_a_check_is_given_may_change(root):
    (root / "aidx.toml").write_text('[checks]\nc = ["python3", "-m", "pytest", "tests/test_rows.py"]\n')
    assert planned(root, "tests/test_rows.py").returncode == 0


def test_apply_changes_them_only_by_their_own_names(root):
    git(root, "config", "core.hooksPath", "hk")
    answer = "hk/lib/rows.py\n<<<<<<< SEARCH\n    return rows[-1]\n=======\n    return rows[0]\n>>>>>>> REPLACE\n"
    done = aidx("apply", "-", code=5, folder=root, text=answer)
    assert (root / "hk/lib/rows.py").read_text() == SOURCE
    assert "is in the folder of git's hooks: it must be allowed by its own name" in done.stdout

    aidx("apply", "-", "--allow", "hk/lib/rows.py", folder=root, text=answer)


def test_a_commit_runs_nothing_that_it_commits(root):
    git(root, "config", "core.hooksPath", "hk")
    with pytest.raises(CheckError, match=r"hk/lib/rows\.py is in the folder of git's hooks"):
        Git(str(root)).commit("feat: a limit", ("hk/lib/rows.py",))
