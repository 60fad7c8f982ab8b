"""Ollama loads a model again for each new ``num_ctx``: in a run, and from run to run, a model is asked for one only."""

import json
import os
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.fakes import aider, stores
from tests.fakes.hosts.scripted_ollama import scripted_ollama
from tests.fakes.upstream import events, say, upstream
from tests.running import ended

from aidx.adapters.stores import shipped

FUNCTION = "def f{n}(rows):\n    for row in rows:\n        return row\n"
PLAN = """# Plan: let f{n} take a limit

## Files
- `rows.py` (edit)

## Steps
1. `rows.py::f{n}`: Add a parameter limit with default {n}.

## Checks
- imports
"""
ROLE = '[roles.{}]\nmodel = "aidx-tiny"\nengine = "ollama"\nurl = "{}"\n{}\n'
LIBRARY = "registry.ollama.ai/library"
TASKS = 30


def script(system, text):
    """What each role says to what it is asked."""
    if system.startswith("You choose"):
        return '{"chosen": [{"number": 1, "reason": "it is about it"}]}'
    if system.startswith("You check a plan"):
        return '{"verdict": "go", "objections": []}'
    if "Your step now: " in text:
        name = text.split("Your step now: ")[1].split("\n")[0].split("::")[1]
        limit = name.removeprefix("f")
        block = f"<<<<<<< SEARCH\ndef {name}(rows):\n=======\ndef {name}(rows, limit={limit}):\n>>>>>>> REPLACE\n"
        return f"rows.py\n{block}"
    return PLAN.format(n=1)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "rows.py").write_text("\n\n".join(FUNCTION.format(n=n) for n in range(1, TASKS + 1)))
    return root


def configure(root, url, **roles):
    check = json.dumps([sys.executable, "-B", "-c", "import rows"])
    tables = "".join(ROLE.format(role, url, more) for role, more in roles.items())
    (root / "aidx.toml").write_text(f"[checks]\nimports = {check}\n{tables}")


def started(root, *words, path=None, **more):
    places = {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"} if path else {}
    return ended("run", *words, "--yes", "--json", folder=root, **places, **more)


def finished(root, *words, **how):
    done = started(root, *words, **how)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contexts(service):
    """What each request asked for, beside the model's name; all forbid to cut and to shift."""
    assert all((each["truncate"], each["shift"]) == (False, False) for each in service.fake.sent)
    return {each["options"]["num_ctx"] for each in service.fake.sent}


def test_every_role_of_a_run_asks_for_the_same(root):
    with scripted_ollama(script) as service:
        roles = ("researcher", "architect", "thinking", "editor")
        configure(root, service.url, **dict.fromkeys(roles, "ctx_size = 1024\nmax_tokens = 200"))
        found = finished(root, "let f1 take a limit")

    assert [each["role"] for each in found["requests"]] == list(roles)
    assert contexts(service) == {1024}
    assert service.fake.loads == {"aidx-tiny": [1024]}
    assert "def f1(rows, limit=1):" in (root / "rows.py").read_text()


def test_thirty_tasks_one_after_another_load_the_model_once(root):
    with scripted_ollama(script) as service:
        configure(root, service.url, editor="ctx_size = 1024\nmax_tokens = 100")  # the last step has 840 tokens
        for number in range(1, TASKS + 1):
            (root / "plan.md").write_text(PLAN.format(n=number))
            finished(root, "--plan", "plan.md")

    asked = [each["options"]["num_ctx"] for each in service.fake.sent]
    changes = sum(one != other for one, other in pairwise(asked))
    print(f"figure: {TASKS} tasks over Ollama's interface: {len(asked)} requests, {changes} changes of num_ctx")
    assert len(asked) == 2 * TASKS  # one to load, one for the step
    assert contexts(service) == {1024}
    assert service.fake.loads == {"aidx-tiny": [1024]}
    assert (root / "rows.py").read_text().count(", limit=") == TASKS


def test_with_aider_too(root, tmp_path):
    """A model of Ollama's store on a GPU: aider reaches it through our gateway, whatever num_ctx it sends itself."""
    (root / "rows.py").write_text(FUNCTION.format(n=1))
    aider.install(tmp_path / "bin")
    stores.ollama(tmp_path / "models", Path(shipped.path()).read_bytes(), f"{LIBRARY}/tiny/latest")

    def lines(system, text):
        del system
        return "01|def f1(rows, limit=1):" if "01|def f1" in text else "no"

    with scripted_ollama(lines) as service:
        table = '[device]\nvram = ["4GiB"]\n[roles.editor]\nmodel = "tiny"\nengine = "aider"\nctx_size = 1024\n'
        (root / "aidx.toml").write_text(table)
        (root / "plan.md").write_text(PLAN.format(n=1).split("## Checks")[0])
        where = {"OLLAMA_HOST": service.url, "OLLAMA_MODELS": str(tmp_path / "models")}
        found = finished(root, "--plan", "plan.md", path=tmp_path / "bin", **where)

    assert [each["context"][0]["item"] for each in found["requests"]] == ["composed by aider"]
    assert contexts(service) == {1024}
    assert service.fake.loads == {"tiny": [1024]}
    assert "def f1(rows, limit=1):" in (root / "rows.py").read_text()


def test_aider_s_model_may_be_at_an_address_of_this_machine(root, tmp_path):
    (root / "rows.py").write_text(FUNCTION.format(n=1))
    aider.install(tmp_path / "bin")
    answer = {"choices": [{"index": 0, "delta": {"content": "01|def f1(rows, limit=1):"}, "finish_reason": "stop"}]}
    whole = {"choices": [{"message": {"content": "01|def f1(rows, limit=1):"}, "finish_reason": "stop", "index": 0}]}
    usage = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}

    def said(request):
        if not request.json.get("stream"):
            return say({"id": "x", "object": "chat.completion", "created": 1, "model": "m", **whole, "usage": usage})
        pieces = ({**answer}, {"choices": [], "usage": usage})
        return events(*(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces), b"data: [DONE]\n\n")

    routes = {("GET", "/v1/models"): lambda _: say({"data": [{"id": "m"}]}), ("POST", "/v1/chat/completions"): said}
    with upstream(routes) as service:
        table = f'[roles.editor]\nmodel = "m"\nengine = "aider"\nurl = "{service.url}"\nctx_size = 2048\n'
        (root / "aidx.toml").write_text(table)
        (root / "plan.md").write_text(PLAN.format(n=1).split("## Checks")[0])
        found = finished(root, "--plan", "plan.md", path=tmp_path / "bin")

    assert [each["model"] for each in found["requests"]] == ["m"]
    assert "def f1(rows, limit=1):" in (root / "rows.py").read_text()


def test_roles_that_would_make_it_load_again_are_refused(root):
    configure(root, "http://127.0.0.1:9", architect="ctx_size = 1024", editor="ctx_size = 512")

    done = started(root, "let f1 take a limit")
    assert done.returncode == 2
    for told in ("roles.architect", "with 1024 tokens", "roles.editor", "with 512 tokens", "same ctx_size"):
        assert told in done.stderr
