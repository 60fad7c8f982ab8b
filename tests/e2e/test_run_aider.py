"""``aidx run`` with aider as the Editor: a program that takes its flags, our gateway, and the small model behind it."""

import json
import os
import subprocess
import sys

import pytest
from tests.fakes import aider

SOURCE = '"""Rows."""\n\n\ndef first(rows):\n    for row in rows:\n        return row\n'
EDITED = SOURCE.replace("(rows)", "(rows, limit=10)")
PLAN = """\
# Plan: let first take a limit

## Files
- `rows.py` (edit)
- `notes.md` (read)

## Steps
1. `rows.py::first`: Add a parameter limit with default 10.

## Checks
- tests
"""


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "rows.py").write_text(SOURCE)
    (root / "notes.md").write_text("Notes.\n")
    (root / "secret.py").write_text("x = 1\n")
    (root / "plan.md").write_text(PLAN)
    argv = json.dumps([sys.executable, "-B", "-c", "from rows import first; first([1], limit=2)"])
    text = f'[checks]\ntests = {argv}\n[roles.editor]\nmodel = "aidx-tiny"\nengine = "aider"\n'
    (root / "aidx.toml").write_text(text)
    return root


@pytest.fixture
def repository(root):
    git = ["git", "-C", root, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "chore: begin"]):
        subprocess.run([*git, *words], check=True)
    hook = root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {root.parent}/hooked\n")
    hook.chmod(0o755)
    return root


def run(root, *words, path=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIDX_")}
    environment |= {"OTHER_API_KEY": "secret", "PATH": f"{path}{os.pathsep}{environment['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "aidx", "run", "--plan", "plan.md", "--yes", *words],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("status", [0, 3])
def test_it_edits_through_our_gate_and_is_judged_by_what_it_changed(repository, tmp_path, status):
    (repository / "rows.py").write_text(SOURCE.replace("Rows.", "Dirty rows."))
    aider.install(tmp_path / "bin", status=status)

    done = run(repository, "--json", path=tmp_path / "bin")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (repository / "rows.py").read_text() == EDITED.replace("Rows.", "Dirty rows.")
    (request,) = found["requests"]
    assert (request["role"], request["model"]) == ("editor", "aidx-tiny")
    assert 0 < request["prompt_tokens"] <= request["gate"] == 768
    assert request["context"] == [{"item": "composed by aider", "tokens": request["prompt_tokens"]}]
    assert request["reserved_bytes"] == request["reserved_tokens"] * 6144
    listed = subprocess.run(["git", "-C", repository, "worktree", "list"], capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1
    assert not (tmp_path / "hooked").exists()


def test_it_works_without_git_too(root, tmp_path):
    aider.install(tmp_path / "bin")

    assert run(root, path=tmp_path / "bin").returncode == 0
    assert (root / "rows.py").read_text() == EDITED


@pytest.mark.parametrize(
    ("manner", "code", "said"),
    [
        ("chatty", 3, "over the Editor's gate of 768 tokens: refused, and not cut"),
        ("foreign", 5, "other.py is not the file of this step"),
        ("idle", 4, "aider asked its model nothing"),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_changes_nothing(root, tmp_path, manner, code, said):
    aider.install(tmp_path / "bin", manner)

    done = run(root, path=tmp_path / "bin")

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert (root / "rows.py").read_text() == SOURCE
    assert not (root / "other.py").exists()


def test_where_it_is_not_installed_that_is_said(root, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    done = run(root, path=tmp_path / "bin")

    assert done.returncode == 4
    assert "is not installed" in done.stderr
    assert "uv tool install" in done.stderr
    assert (root / "rows.py").read_text() == SOURCE
