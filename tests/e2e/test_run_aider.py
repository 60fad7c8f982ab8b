"""``aidx run`` with aider as the Editor: a program that takes its flags, our gateway, and the small model behind it."""

import json
import os
import subprocess
import sys

import pytest
from tests.fakes import aider
from tests.fakes.upstream import say, upstream
from tests.running import ended

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
    places = {"OTHER_API_KEY": "secret", "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    return ended("run", "--plan", "plan.md", "--yes", *words, folder=root, **places)


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


def editor_at(root, gate, used, counter=None):
    """A service that answers as the small model would, and says that each prompt took *used* tokens."""

    def answer(request):
        del request
        usage = {"prompt_tokens": used, "completion_tokens": 9, "total_tokens": (used or 0) + 9}
        message = {"role": "assistant", "content": "01|def first(rows, limit=10):"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return say({"object": "chat.completion", "choices": [choice], **({} if used is None else {"usage": usage})})

    routes = {("GET", "/v1/models"): lambda _: say({"data": [{"id": "m"}]}), ("POST", "/v1/chat/completions"): answer}
    if counter is not None:
        routes["POST", "/tokenize"] = counter
    found = upstream(routes)
    service = found.__enter__()
    text = f'[roles.editor]\nmodel = "m"\nengine = "aider"\nurl = "{service.url}"\nctx_size = 8192\ngate = {gate}\n'
    (root / "aidx.toml").write_text((root / "aidx.toml").read_text().partition("[roles")[0] + text)
    return found, service


def ledger(root):
    (found,) = (root / ".aidx" / "runs").glob("*/ledger.jsonl")
    return [json.loads(line) for line in found.read_text().splitlines()]


@pytest.fixture
def service(root):
    """See ``editor_at``."""
    opened = []

    def at(gate, used, counter=None):
        running, found = editor_at(root, gate, used, counter)
        opened.append(running)
        return found

    yield at
    for running in opened:
        running.__exit__(None, None, None)


def test_what_its_model_says_afterwards_is_held_to_the_gate_and_nothing_more_is_sent(root, tmp_path, service):
    aider.install(tmp_path / "bin", "insistent")
    found = service(2000, 2001)

    done = run(root, "--json", path=tmp_path / "bin")

    told = json.loads(done.stdout)
    assert (done.returncode, told["status"]) == (3, "blocked"), done.stderr
    assert "m says that the prompt had 2001 tokens, and the editor's gate is 2000" in told["reason"]
    assert (root / "rows.py").read_text() == SOURCE
    assert len(found.asked("/v1/chat/completions")) == 1
    assert [request["prompt_tokens"] for request in ledger(root)] == [2001]
    assert [item["item"] for item in ledger(root)[0]["context"]] == [
        "composed by aider",
        "counted otherwise by the model",
    ]

    (name,) = (root / ".aidx" / "runs").iterdir()
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    again = ended("run", "--resume", name.name, "--yes", folder=root, PATH=path)
    assert again.returncode == 3, again.stderr
    assert len(found.asked("/v1/chat/completions")) == 1  # that is known now


def test_as_much_as_the_gate_is_taken(root, tmp_path, service):
    aider.install(tmp_path / "bin")
    service(2000, 2000)

    assert run(root, path=tmp_path / "bin").returncode == 0
    assert (root / "rows.py").read_text() == EDITED
    assert [(each["prompt_tokens"], each["counted"], each["estimated"]) for each in ledger(root)] == [
        (2000, "bound", False)
    ]


def test_what_may_be_over_the_gate_is_not_sent_on(root, tmp_path, service):
    aider.install(tmp_path / "bin", "chatty")
    found = service(3000, 10)

    done = run(root, path=tmp_path / "bin")

    assert done.returncode == 3, done.stderr
    assert "over the Editor's gate of 3000 tokens: refused, and not cut" in done.stderr
    assert found.asked("/v1/chat/completions") == []
    assert (root / "rows.py").read_text() == SOURCE


@pytest.mark.parametrize(("gate", "code"), [(1000, 0), (999, 3)])
def test_a_service_that_counts_is_asked_before_anything_is_sent_on(root, tmp_path, service, gate, code):
    aider.install(tmp_path / "bin")

    def counter(request):
        ours = request.json["messages"][0]["content"][:4] in {"x", "a b "}
        return say({"count": len(request.body) if ours else 1000})

    found = service(gate, 1000, counter)

    done = run(root, path=tmp_path / "bin")

    assert (done.returncode, len(found.asked("/v1/chat/completions"))) == (code, 1 - code // 3), done.stderr


def test_a_request_whose_tokens_nobody_says_stands_in_the_ledger_with_its_bound(root, tmp_path, service):
    aider.install(tmp_path / "bin")
    service(2000, None)

    assert run(root, path=tmp_path / "bin").returncode == 0
    assert [(each["counted"], each["estimated"]) for each in ledger(root)] == [("bound", True)]
