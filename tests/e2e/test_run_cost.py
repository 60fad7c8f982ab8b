"""What a run costs: said before anything is sent, and afterwards, where prices are known."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.fakes.upstream import events, say, upstream
from tests.running import aidx

PLAN = """# Plan: two

## Files
- `a.py` (edit)
- `b.py` (edit)

## Steps
1. `a.py`: Return two.
2. `b.py`: Return two.
"""
ROLE = '[roles.{}]\nmodel = "m"\nengine = "openai"\nurl = "{}"\nctx_size = 4096\nmax_tokens = 500\n{}\n'
USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}


@pytest.fixture
def service():
    def answer(request):
        path = "b.py" if "Your step now: b.py" in request.json["messages"][-1]["content"] else "a.py"
        text = f"{path}\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
        pieces = (
            {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]},
            {"choices": [], "usage": USAGE},
        )
        return events(*(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces), b"data: [DONE]\n\n")

    routes = {("GET", "/v1/models"): lambda _: say({"data": [{"id": "m"}]}), ("POST", "/v1/chat/completions"): answer}
    with upstream(routes) as found:
        yield found


@pytest.fixture
def root(tmp_path):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("def f():\n    return 1\n")
    (tmp_path / "plan.md").write_text(PLAN)
    return tmp_path


def run(root, *words):
    """What it says to standard output and to standard error."""
    return aidx("run", *words, folder=root)[1:]


def valid(text):
    schema = json.loads((files("aidx") / "data" / "schemas" / "run.json").read_text("utf-8"))
    found = json.loads(text)
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def configure(root, service, **roles):
    (root / "aidx.toml").write_text("".join(ROLE.format(name, service.url, more) for name, more in roles.items()))


def test_what_it_will_cost_is_said_before_anything_is_sent(root, service):
    configure(root, service, editor='price = "3/15"', thinking='price = "1"')

    found = valid(run(root, "--plan", "plan.md", "--dry-run", "--json")[0])
    sizes = [(each["role"], each["prompt_tokens"], each["cost"]) for each in found["requests"]]
    assert sorted(role for role, _, _ in sizes) == ["editor", "editor", "thinking"]
    for role, tokens, cost in sizes:
        read, written = (3, 15) if role == "editor" else (1, 1)
        assert cost == pytest.approx((tokens * read + 500 * written) / 1e6)
    assert found["cost"] == pytest.approx(sum(cost for _, _, cost in sizes))

    out, err = run(root, "--plan", "plan.md", "--dry-run")
    assert out.count("with an answer of 500 tokens") == 3
    assert "cost: at most 0.0" in err
    assert service.asked("/v1/chat/completions") == []
    assert not (root / ".aidx" / "runs").exists()


def test_what_it_did_cost_is_in_the_ledger(root, service):
    configure(root, service, editor='price = "3/15"')

    out, _ = run(root, "--plan", "plan.md", "--yes", "--json")
    found = valid(out)
    assert [each["cost"] for each in found["requests"]] == [pytest.approx(0.006)] * 2
    assert found["cost"] == pytest.approx(0.012)


def test_a_price_that_nobody_named_is_unknown_and_not_nothing(root, service):
    configure(root, service, editor="")

    out, err = run(root, "--plan", "plan.md", "--dry-run")
    assert out.count("cost unknown") == 2
    assert "cost unknown: no price in [roles.editor]" in err
    assert valid(run(root, "--plan", "plan.md", "--dry-run", "--json")[0])["cost"] is None


def test_a_model_of_this_machine_costs_nothing(root):
    (root / "plan.md").write_text(PLAN.replace("- `b.py` (edit)\n", "").replace("2. `b.py`: Return two.\n", ""))

    out, err = run(root, "--plan", "plan.md", "--dry-run")
    assert "prompt tokens, no cost" in out
    assert "cost: 0" in err


def test_a_researcher_is_not_asked_on_a_dry_run(root, service):
    configure(root, service, researcher='price = "0.1"', architect='price = "3/15"')

    out, _ = run(root, "what returns one", "--dry-run", "--json")
    found = valid(out)
    assert [(each["phase"], each["role"]) for each in found["requests"]] == [
        ("research", "researcher"),
        ("plan", "architect"),
    ]
    assert service.asked("/v1/chat/completions") == []


def test_a_price_that_is_none_is_said_with_its_place(root, service):
    configure(root, service, editor='price = "cheap"')

    done = aidx("run", "--plan", "plan.md", "--dry-run", code=2, folder=root)
    assert "'cheap' is no price a million tokens" in done.stderr
    assert "aidx.toml:7" in done.stderr
