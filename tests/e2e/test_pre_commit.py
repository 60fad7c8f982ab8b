"""The real pre-commit as a check: what it finds, and what it cannot do, are two things."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.running import ended

SOURCE = '"""Rows."""\n\n\ndef first(rows):\n    for row in rows:\n        return row\n'
EDITED = SOURCE.replace("(rows)", "(rows, limit=10)")
PLAN = """# Plan: a limit

## Files
- `rows.py` (edit)

## Steps
1. `rows.py::first`: Add a parameter limit with default 10.

## Checks
- hooks
"""
LOCAL = """repos:
- repo: local
  hooks:
  - id: bound
    name: bound
    language: system
    entry: {python} -c "import sys; sys.exit(0 if '{wanted}' in open('rows.py').read() else 'rows.py has no {wanted}')"
    files: rows.py
"""
REMOTE = "repos:\n- repo: {}\n  rev: v1\n  hooks:\n  - id: x\n"  # a repository that is not there


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "rows.py").write_text(SOURCE)
    (root / "plan.md").write_text(PLAN)
    hooks = [str(Path(sys.executable).parent / "pre-commit"), "run", "--files", "rows.py"]
    (root / "aidx.toml").write_text(f"[checks]\nhooks = {json.dumps(hooks)}\n")
    return root


def run(root, hooks):
    (root / ".pre-commit-config.yaml").write_text(hooks)
    git = ["git", "-C", root, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "chore: begin"]):
        subprocess.run([*git, *words], check=True)
    return ended("run", "--plan", "plan.md", "--yes", folder=root, PRE_COMMIT_HOME=root.parent / "cache")


def test_hooks_that_pass_let_the_edit_stand(root):
    done = run(root, LOCAL.format(python=sys.executable, wanted="limit=10"))

    assert done.returncode == 0, done.stderr
    assert (root / "rows.py").read_text() == EDITED


def test_a_finding_is_fed_back_once_and_then_everything_is_put_back(root):
    done = run(root, LOCAL.format(python=sys.executable, wanted="limit=12"))

    assert done.returncode == 5, done.stderr
    assert "line 4: duplicate argument" in done.stderr  # the small model puts it beside the one that is there
    assert "no repair could be made; the tree is as before: rows.py has no limit=12" in done.stderr
    assert (root / "rows.py").read_text() == SOURCE


def test_hooks_that_cannot_be_had_are_no_finding(root):
    done = run(root, REMOTE.format(root.parent / "nowhere"))

    assert done.returncode == 4, done.stderr
    assert "check hooks could not do its work (status 3)" in done.stderr
    assert done.stderr.count("asking the editor") == 1
    assert (root / "rows.py").read_text() == SOURCE
