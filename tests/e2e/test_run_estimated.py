"""A service whose tokens nobody here can count: what is estimated is called that, and its own account decides."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tests.fakes.upstream import events, say, upstream

FILE = "def f():\n    return 1\n"
PLAN = """# Plan: two

## Files
- `a.py` (edit)
- `b.py` (edit)

## Steps
1. `a.py`: Return two.
2. `b.py`: Return two.
"""
ROLE = '[roles.editor]\nmodel = "m"\nengine = "openai"\nurl = "{}"\nctx_size = 8192\ngate = {}\n'


@contextmanager
def service(root, used):
    """An Editor that says that each prompt took *used* tokens (``None``: says nothing)."""

    def answer(request):
        path = "b.py" if "Your step now: b.py" in request.json["messages"][-1]["content"] else "a.py"
        text = f"{path}\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
        pieces = [{"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}]
        if used is not None:
            took = {"prompt_tokens": used, "completion_tokens": 20, "total_tokens": used + 20}
            pieces.append({"choices": [], "usage": took})
        return events(*(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces), b"data: [DONE]\n\n")

    for name in ("a.py", "b.py"):
        (root / name).write_text(FILE)
    (root / "plan.md").write_text(PLAN)
    routes = {("GET", "/v1/models"): lambda _: say({"data": [{"id": "m"}]}), ("POST", "/v1/chat/completions"): answer}
    with upstream(routes) as found:
        gate(root, found, 4096)
        yield found


def gate(root, found, tokens):
    (root / "aidx.toml").write_text(ROLE.format(found.url, tokens))


def aidx(root, *words):
    done = subprocess.run(
        [sys.executable, "-m", "aidx", "run", *words], cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def resumed(root):
    (run,) = (root / ".aidx" / "runs").iterdir()
    return ("--resume", run.name, "--yes")


def test_an_estimate_is_called_one(tmp_path):
    with service(tmp_path, None):
        code, out, _ = aidx(tmp_path, "--plan", "plan.md", "--dry-run")
        assert (code, out.count("(estimated) of 4096 prompt tokens")) == (0, 2)
        code, out, err = aidx(tmp_path, "--plan", "plan.md", "--yes", "--json")

    assert (code, err.count("tokens (estimated) of 4096"), err.count("(estimated) of 4096 prompt tokens")) == (0, 2, 2)
    assert [request["estimated"] for request in json.loads(out)["requests"]] == [True, True]


def test_what_the_service_says_is_no_estimate(tmp_path):
    with service(tmp_path, 700):
        out = aidx(tmp_path, "--plan", "plan.md", "--yes", "--json")[1]

    assert [(each["prompt_tokens"], each["estimated"]) for each in json.loads(out)["requests"]] == [(700, False)] * 2


def test_an_answer_to_more_than_the_gate_is_not_used(tmp_path):
    with service(tmp_path, 9000) as found:
        code, out, err = aidx(tmp_path, "--plan", "plan.md", "--yes", "--json")
        told = json.loads(out)
        assert (code, told["status"], told["requests"][0]["prompt_tokens"]) == (3, "blocked", 9000)
        assert "step 1 (a.py): m says that the prompt had 9000 tokens, and the editor's gate is 4096" in told["reason"]
        assert (tmp_path / "a.py").read_text() == FILE

        code, _, err = aidx(tmp_path, *resumed(tmp_path))  # that is known now: it is not sent again
        assert (code, "takes 9000 tokens (estimated) of context, the Editor's gate is 4096" in err) == (3, True), err
        assert len(found.asked("/v1/chat/completions")) == 1
    (ledger,) = (tmp_path / ".aidx" / "runs").glob("*/ledger.jsonl")
    assert len(ledger.read_text().splitlines()) == 1


def test_an_answer_that_was_paid_for_is_used_under_a_larger_gate(tmp_path):
    with service(tmp_path, 900) as found:
        gate(tmp_path, found, 500)
        assert aidx(tmp_path, "--plan", "plan.md", "--yes")[0] == 3
        gate(tmp_path, found, 1200)
        code, _, err = aidx(tmp_path, *resumed(tmp_path))
        assert (code, len(found.asked("/v1/chat/completions"))) == (0, 2), err
    (ledger,) = (tmp_path / ".aidx" / "runs").glob("*/ledger.jsonl")
    assert len(ledger.read_text().splitlines()) == 2
    assert (tmp_path / "b.py").read_text() == FILE.replace("1", "2")


@pytest.mark.parametrize(("used", "sent"), [(900, 1), (1, 2)])
def test_what_one_answer_took_is_expected_of_the_next(tmp_path, used, sent):
    """The second step is larger than the first: with what the first took it is over the gate before it is sent."""
    with service(tmp_path, used) as found:
        gate(tmp_path, found, 950)
        (tmp_path / "b.py").write_text(FILE + "# more\n" * 100)
        code, _, err = aidx(tmp_path, "--plan", "plan.md", "--yes")

        assert (code, len(found.asked("/v1/chat/completions"))) == (3 if sent == 1 else 0, sent), err
    assert ("step 2 (b.py)" in err and "split it" in err) == (sent == 1)
