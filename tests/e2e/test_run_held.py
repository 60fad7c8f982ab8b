"""An Editor by url is held to its gate before anything is sent: by its service's count, else by a bound."""

import json
from contextlib import contextmanager
from functools import partial

import pytest
from tests.endpoint import Endpoint
from tests.fakes.upstream import events, say, upstream
from tests.running import ended

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


def asked(found):
    """The requests that were to be answered."""
    return [*found.asked("/v1/chat/completions"), *found.asked("/v1/messages")]


def seen(found):
    """The requests that hold the tree's text."""
    return [request for request in found.requests if b"return 1" in request.body]


def words(request, field="messages"):
    """What the service counts: a token a word, and seven."""
    texts = [request.json.get("system", ""), *(message["content"] for message in request.json[field])]
    return sum(len(text.split()) for text in texts) + 7


def resumed(root):
    (run,) = (root / ".aidx" / "runs").iterdir()
    return ("--resume", run.name, "--yes")


def test_where_nobody_counts_the_bound_is_called_one(tmp_path):
    with service(tmp_path, None) as found:
        code, out, err = ended("run", "--plan", "plan.md", "--dry-run", folder=tmp_path)
        assert (code, out.count("at most 12"), out.count("of 4096 prompt tokens")) == (0, 2, 2), out
        assert "m: nobody counts a prompt for it before it is sent: each byte is taken for a token" in err
        assert seen(found) == []
        code, out, err = ended("run", "--plan", "plan.md", "--yes", "--json", folder=tmp_path)

    assert (code, err.count("tokens of 4096"), err.count("answered: at most 12")) == (0, 2, 2), err
    requests = json.loads(out)["requests"]
    assert [(each["counted"], each["estimated"]) for each in requests] == [("bound", True)] * 2


def test_what_the_service_says_afterwards_is_no_estimate(tmp_path):
    with service(tmp_path, 700):
        out = ended("run", "--plan", "plan.md", "--yes", "--json", folder=tmp_path)[1]

    requests = json.loads(out)["requests"]
    assert [(each["prompt_tokens"], each["counted"], each["estimated"]) for each in requests] == [
        (700, "bound", False)
    ] * 2


def bound(root, found):
    """What step 1 has at most, by a dry run."""
    gate(root, found, 4096)
    return json.loads(ended("run", "--plan", "plan.md", "--dry-run", "--json", folder=root)[1])["requests"][0][
        "prompt_tokens"
    ]


def test_a_prompt_whose_bound_is_at_the_gate_is_sent_and_one_over_it_never(tmp_path):
    with service(tmp_path, 90) as found:
        most = bound(tmp_path, found)
        gate(tmp_path, found, most - 1)
        for words in (("--yes",), ("--dry-run",), ("--yes", "--json")):
            code, out, err = ended("run", "--plan", "plan.md", *words, folder=tmp_path)
            assert code == 3
            said = f"step 1 (a.py) takes at most {most} tokens of context, the Editor's gate is {most - 1}: 1 too many"
            assert said in (json.loads(out)["reason"] if "--json" in words else err)
        assert (
            "hint: Nobody counts for this service: raise gate in [roles.editor], or name there what runs"
            in (ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)[2])
        )
        assert (asked(found), seen(found)) == ([], [])
        gate(tmp_path, found, most)
        assert (ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)[0], len(asked(found))) == (0, 2)


def test_an_answer_to_more_than_the_gate_is_not_used(tmp_path):
    with service(tmp_path, 9000) as found:
        code, out, err = ended("run", "--plan", "plan.md", "--yes", "--json", folder=tmp_path)
        told = json.loads(out)
        assert (code, told["status"], told["requests"][0]["prompt_tokens"]) == (3, "blocked", 9000)
        assert "step 1 (a.py): m says that the prompt had 9000 tokens, and the editor's gate is 4096" in told["reason"]
        assert (tmp_path / "a.py").read_text() == FILE

        code, _, err = ended("run", *resumed(tmp_path), folder=tmp_path)  # that is known now: it is not sent again
        assert (code, "takes at most 9000 tokens of context, the Editor's gate is 4096" in err) == (3, True), err
        assert len(asked(found)) == 1
    (ledger,) = (tmp_path / ".aidx" / "runs").glob("*/ledger.jsonl")
    assert len(ledger.read_text().splitlines()) == 1


def test_an_answer_that_was_paid_for_is_used_under_a_larger_gate(tmp_path):
    with service(tmp_path, 2000) as found:
        gate(tmp_path, found, 1500)
        assert ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)[0] == 3
        gate(tmp_path, found, 3000)
        code, _, err = ended("run", *resumed(tmp_path), folder=tmp_path)
        assert (code, len(asked(found))) == (0, 2), err
    (ledger,) = (tmp_path / ".aidx" / "runs").glob("*/ledger.jsonl")
    assert len(ledger.read_text().splitlines()) == 2
    assert (tmp_path / "b.py").read_text() == FILE.replace("1", "2")


@pytest.mark.parametrize(("used", "sent"), [(2500, 1), (1, 2)])
def test_what_one_answer_took_beyond_its_bound_is_expected_of_the_next(tmp_path, used, sent):
    """The second step is larger than the first: with what the first took it is over the gate before it is sent."""
    with service(tmp_path, used) as found:
        gate(tmp_path, found, 2600)
        (tmp_path / "b.py").write_text(FILE + "# more\n" * 100)
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)

        assert (code, len(asked(found))) == (3 if sent == 1 else 0, sent), err
    assert ("step 2 (b.py)" in err and "split it" in err) == (sent == 1)


SPELLINGS = {
    "/tokenize": ("count", "messages"),
    "/v1/chat/completions/input_tokens": ("input_tokens", "messages"),
    "/v1/responses/input_tokens": ("input_tokens", "input"),
}


@pytest.mark.parametrize("path", SPELLINGS)
def test_a_service_that_counts_is_asked_before_it_is_sent_anything_to_answer(tmp_path, path):
    field, given = SPELLINGS[path]
    with service(tmp_path, None) as found:
        found.routes["POST", path] = lambda request: say({field: words(request, given)})
        code, out, _ = ended("run", "--plan", "plan.md", "--dry-run", folder=tmp_path)
        assert (code, out.count("(estimated; counted before it is sent)"), seen(found)) == (0, 2, [])

        out = ended("run", "--plan", "plan.md", "--until", "preflight", "--json", folder=tmp_path)[1]
        told = "".join(ended("run", "--plan", "plan.md", "--until", "preflight", folder=tmp_path)[2])
        size = int(told.partition("step 1 (a.py): ")[2].removeprefix("at most ").split()[0])
        (tmp_path / "a.py").write_text(FILE)
        gate(tmp_path, found, size - 1)
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)
        assert (code, asked(found), "1 too many" in err) == (3, [], True), err
        gate(tmp_path, found, size)
        code, out, err = ended("run", "--plan", "plan.md", "--yes", "--json", folder=tmp_path)
        assert (code, len(asked(found))) == (0, 2), err
        exact = "near" if "responses" in path else "exact"
        assert [each["counted"] for each in json.loads(out)["requests"]] == [exact] * 2
        assert sum(item["tokens"] for item in json.loads(out)["requests"][0]["context"]) == size


def test_a_count_that_was_too_low_is_told_and_the_bound_holds_from_then_on(tmp_path):
    with service(tmp_path, 1400) as found:
        found.routes["POST", "/tokenize"] = lambda request: say({"count": words(request)})
        (tmp_path / "b.py").write_text(FILE + "# more\n" * 100)
        gate(tmp_path, found, 1500)
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)

        assert (code, len(asked(found))) == (3, 1)
    assert "m says that the prompt had 1400 tokens, and " in err
    assert "were counted; from now on it is held to a bound" in err
    assert "step 2 (b.py)" in err
    assert (tmp_path / "a.py").read_text() == FILE


def test_what_was_counted_when_it_was_planned_is_counted_again_when_it_is_sent(tmp_path):
    """The service was restarted with another model while somebody looked at the plan."""
    with service(tmp_path, 90) as found:
        more = iter([0, 0])
        found.routes["POST", "/tokenize"] = lambda request: say(
            {"count": words(request) + (next(more, 5000) if b"return 1" in request.body else 0)}
        )
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)

        assert (code, asked(found)) == (3, []), err
    assert "the prompt has 5" in err


def test_a_node_whose_count_was_too_low_is_sent_what_it_has_not_counted(tmp_path):
    with service(tmp_path, 300) as found:
        found.routes["GET", "/v1/models"] = lambda _: say({"data": [{"id": "m", "context_length": 8192}]})
        found.routes["GET", "/plan"] = lambda _: say(
            {"plan": {"roles": [{"settings": {"n_ctx": 8192}}]}, "reserved": {"tokens": 0}}
        )
        found.routes["POST", "/tokenize"] = lambda request: say({"count": words(request)})
        (tmp_path / "aidx.toml").write_text(ROLE.format(found.url, 4096).replace('"openai"', '"aidx"'))
        again = PLAN.replace("2. `b.py`", "2. `a.py`: Return two.\n3. `b.py`")
        (tmp_path / "plan.md").write_text(again)
        code, _, err = ended("run", "--plan", "plan.md", "--yes", "--until", "edit", folder=tmp_path)

        assert (err.count("from now on it is held to a bound"), len(asked(found)) > 1) == (1, True), (code, err)
    assert "all nodes are busy" not in err


def test_a_counter_that_fails_is_exit_4_and_nothing_is_sent(tmp_path):
    with service(tmp_path, 90) as found:
        tries = iter([20, 200])
        found.routes["POST", "/tokenize"] = lambda _: say({"count": next(tries)} if tries.__length_hint__() else {})
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)

        assert (code, asked(found), "does not answer /tokenize with a count" in err) == (4, [], True), err


def test_a_role_that_is_no_editor_is_held_as_well(tmp_path):
    with service(tmp_path, 90) as found:
        text = (tmp_path / "aidx.toml").read_text()
        thinking = ROLE.format(found.url, 600).replace("editor", "thinking")
        (tmp_path / "aidx.toml").write_text(text + thinking)
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)

        assert (code, asked(found)) == (3, [])
    assert "600 of them for the prompt; the prompt has 1" in err
    assert "(at most: m has not counted it, and it was not sent)" in err
    assert "hint: Nobody counts for this service: raise gate in [roles.thinking]" in err


def test_anthropic_is_asked_for_its_count(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICE_KEY", "k")
    with service(tmp_path, None) as found:
        found.routes["GET", "/v1/models/m"] = lambda _: say({"id": "m"})
        found.routes["POST", "/v1/messages/count_tokens"] = lambda request: say({"input_tokens": words(request)})
        text = ROLE.format(found.url, 100).replace('"openai"', '"anthropic"\napi_key_env = "SERVICE_KEY"')
        (tmp_path / "aidx.toml").write_text(text)
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)

        counted = found.asked("/v1/messages/count_tokens")
        assert (code, asked(found), "obody counts" in err) == (3, [], False)
        assert len(counted) == 2 + 2  # two texts of ours, and one request a step
        most = words(counted[2])
    assert f"step 1 (a.py) takes at most {most + most // 32 + 16} tokens of context, the Editor's gate is 100" in err


SOURCE = '"""Rows."""\n\n\ndef first(rows):\n    for row in rows:\n        return row\n'
TASK = """# Plan: let first take a limit

## Files
- `rows.py` (edit)

## Steps
1. `rows.py::first`: Add a parameter limit with default 10.
"""
NODE = (
    '[roles.editor]\nmodel = "editor"\nengine = "aidx"\nurl = "{}"\nctx_size = 1024\nmax_tokens = 256\n'
    'edit_format = "lines"\ngate = {}\n'
)


def answered(node):
    lines = node.call("/metrics", raw=True)[2].decode().splitlines()
    return sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith("aidx_requests_total{"))


def test_a_node_of_ours_counts_to_the_token(tmp_path):
    node = Endpoint("-c", "1024")
    try:
        run = partial(run_at, tmp_path, node)
        dry = run(700, "--dry-run")
        assert (dry["requests"][0]["counted"], dry["requests"][0]["estimated"]) == ("exact", False)
        done = run(700, "--yes")["requests"]
        assert [(each["counted"], each["estimated"]) for each in done] == [("exact", False)] * len(done)
        assert [each["prompt_tokens"] for each in done] == [dry["requests"][0]["prompt_tokens"]]
        assert [item["item"] for item in done[0]["context"]] == ["template", "step", "rows.py::first"]
        size, before = done[0]["prompt_tokens"], answered(node)
        assert run(size, "--yes")["status"] == "done"
        refused = run(size - 1, "--yes")
        assert (refused["status"], refused["requests"], answered(node)) == ("blocked", [], before + 1)
        assert f"takes {size} tokens of context, the Editor's gate is {size - 1}: 1 too many" in refused["reason"]
        assert (tmp_path / "rows.py").read_text() == SOURCE
    finally:
        node.stop()


def run_at(root, node, tokens, *words):
    (root / "aidx.toml").write_text(NODE.format(node.url, tokens))
    (root / "rows.py").write_text(SOURCE)
    (root / "plan.md").write_text(TASK)
    return json.loads(ended("run", "--plan", "plan.md", "--json", *words, folder=root)[1])
