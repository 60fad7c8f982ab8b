"""Drafter and verifier as the Architect of a run, with scripted models on a real tree."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from msgspec.structs import replace
from tests.fakes.pipeline import Order, contents, run, seat

from aidx.errors import BudgetError, EngineError
from aidx.pipeline.cascading import Cascade
from aidx.pipeline.contract import as_json

PLAN = """\
# Plan: two

## Files
- `a.py` (edit)

## Steps
1. `a.py::f`: Return two.
"""
EDIT = "a.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
ACCEPT = '{"verdict": "accept"}'
REPAIR = '{"verdict": "repair", "reasons": ["step 1 says too little"]}'
REJECT = '{"verdict": "reject", "reasons": ["f must stay as it is"]}'


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.py").write_bytes(b"def f():\n    return 1\n")
    return root


class Said:
    """Says its lines one after the other, and keeps what it was asked; a line that is an error is raised."""

    def __init__(self, *lines):
        self.asked = []
        self._lines = iter(lines)

    def __call__(self, request):
        self.asked.append(request)
        line = next(self._lines)
        if isinstance(line, Exception):
            raise line
        return line


def order(**fields):
    return Order(**{"task": "let f in a.py return two", "cascade": Cascade(), **fields})


def planned(root, drafter, verifier, **how):
    seats = {"drafter": seat(drafter), "verifier": seat(verifier), "editor": seat(lambda _: EDIT)}
    return run(root, how.pop("seats", {}) or seats, how.pop("order", order()), **how)


def outcomes(found):
    return [(step["role"], step["purpose"], step["outcome"]) for step in as_json(found).get("trail", [])]


def test_a_draft_that_is_accepted_is_the_plan_and_everything_is_in_the_ledger(root):
    drafter, verifier = Said("Let me see.\n\n" + PLAN), Said(ACCEPT)

    found = planned(root, drafter, verifier)

    assert found.status == "done", found.error
    assert contents(root)["a.py"] == b"def f():\n    return 2\n"
    assert outcomes(found) == [("drafter", "draft", "accepted"), ("verifier", "verdict", "accepted")]
    told = as_json(found)
    assert [(line["phase"], line["role"]) for line in told["requests"]] == [
        ("plan", "drafter"),
        ("plan", "verifier"),
        ("edit", "editor"),
    ]
    kept = root / ".aidx" / "runs" / found.id
    assert [json.loads(line) for line in (kept / "ledger.jsonl").read_text().splitlines()] == told["requests"]
    assert json.loads((kept / "trail.json").read_text()) == told["trail"]
    for line in told["requests"]:
        assert sum(item["tokens"] for item in line["context"]) == line["prompt_tokens"] <= line["gate"]
    assert [item["item"] for item in told["requests"][1]["context"]][-2:] == ["the draft", "the question"]
    assert set(told["peak_kv_bytes"]) == {"drafter", "verifier", "editor"}
    schema = json.loads((files("aidx") / "data" / "schemas" / "run.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(told)


def test_the_verifier_reads_what_the_drafter_read_and_is_held_to_a_verdict(root):
    drafter, verifier = Said(PLAN), Said(ACCEPT)

    planned(root, drafter, verifier)

    (drafted,), (judged,) = drafter.asked, verifier.asked
    assert judged["messages"][: len(drafted["messages"])] == drafted["messages"]
    assert judged["messages"][-2]["content"] == PLAN
    assert judged["response_format"]["json_schema"]["schema"]["anyOf"][0]["required"] == ["verdict"]
    assert judged["temperature"] == 0
    assert "def f():" in drafted["messages"][-1]["content"]


def test_grammar_and_linter_refuse_before_the_verifier_is_asked(root):
    nowhere = PLAN.replace("a.py", "b.py")
    drafter, verifier = Said("Certainly.", nowhere, PLAN), Said(ACCEPT)

    found = planned(root, drafter, verifier, order=order(cascade=Cascade(repairs=2), until="plan"))

    assert found.status == "done", found.error
    assert [step["reasons"] for step in as_json(found)["trail"]][:2] == [
        ["plan: there is no line that begins with '# Plan: '"],
        ["plan: b.py is to edit, and there is no such file; step 1 names f in a file that is not there yet"],
    ]
    assert len(verifier.asked) == 1
    assert "b.py is to edit, and there is no such file" in drafter.asked[-1]["messages"][-1]["content"]


def test_a_repair_is_asked_for_with_the_reasons_and_then_the_verifier_writes(root):
    better = PLAN.replace("Return two.", "Return the integer two, and leave the name.")
    drafter, verifier = Said(PLAN, PLAN), Said(REPAIR, REPAIR, better, ACCEPT)

    found = planned(root, drafter, verifier, order=order(until="plan"))

    assert found.outcome.plan.steps[0].text.startswith("Return the integer two")
    assert "step 1 says too little" in drafter.asked[1]["messages"][-1]["content"]
    assert outcomes(found) == [
        ("drafter", "draft", "accepted"),
        ("verifier", "verdict", "refused"),
        ("drafter", "repair", "accepted"),
        ("verifier", "verdict", "refused"),
        ("verifier", "rewrite", "accepted"),
        ("verifier", "verdict", "accepted"),
    ]


@pytest.mark.parametrize(
    ("drafts", "verdicts", "said"),
    [
        ((PLAN,), (REJECT,), "f must stay as it is"),
        (("No.", "Never."), ("Why should I?",), "the Architect asks"),
        (("No.", "Never."), ("I cannot.",), "there is no line that begins"),
        ((PLAN,), ("fine by me", "fine", "yes"), "the verifier came to no verdict"),
    ],
)
def test_what_nobody_accepts_is_no_plan(root, drafts, verdicts, said):
    before = contents(root)

    found = planned(root, Said(*drafts), Said(*verdicts, REJECT.replace("f must stay as it is", "the Architect asks")))

    assert (found.status, found.error.exit_code, found.error.code) == ("failed", 5, "not_verified")
    assert said in as_json(found)["reason"]
    assert "--plan" in found.error.hint
    assert outcomes(found)[-1][2] != "accepted"
    assert contents(root) == before
    assert "plan.md" not in {path.name for path in (root / ".aidx" / "runs" / found.id).iterdir()}


def test_questions_that_the_verifier_lets_pass_block_the_run(root):
    found = planned(root, Said("Which f?"), Said(ACCEPT))

    assert found.status == "blocked"
    assert "1. Which f?" in str(found.error)


def test_nothing_is_paid_for_twice(root):
    gone = EngineError("the engine is gone", code="engine_failed")
    begun = planned(root, Said(PLAN), Said(gone))
    assert isinstance(begun.error, EngineError)
    assert [line["role"] for line in as_json(begun)["requests"]] == ["drafter"]

    drafter, verifier = Said(), Said(ACCEPT)
    found = planned(root, drafter, verifier, name=begun.id)
    assert found.status == "done", found.error
    assert (len(drafter.asked), len(verifier.asked)) == (0, 1)
    assert len(outcomes(found)) == 2

    again = planned(root, Said(), Said(), name=begun.id)
    assert again.status == "done", again.error
    assert as_json(again)["trail"] == as_json(found)["trail"]
    assert as_json(again)["requests"] == as_json(found)["requests"]


def test_a_verdict_that_is_not_accepted_is_remembered_too(root):
    begun = planned(root, Said(PLAN), Said(REJECT))
    again = planned(root, Said(), Said(), name=begun.id)

    assert str(again.error) == str(begun.error)
    assert as_json(again)["requests"] == as_json(begun)["requests"]


def test_a_file_is_left_out_where_a_draft_of_it_could_not_be_judged(root):
    (root / "big.py").write_text("x = 1\n" * 4000)
    drafter, verifier = Said(PLAN), Said(ACCEPT)
    asked = order(task="a.py and big.py", until="plan")

    found = planned(root, drafter, verifier, order=asked)

    assert found.status == "done", found.error
    assert "Too long to be shown, and there: big.py." in drafter.asked[0]["messages"][-1]["content"]


@pytest.mark.parametrize("small", ["drafter", "verifier"])
def test_a_gate_without_room_for_a_draft_is_said_before_anything_is_asked(root, small):
    drafter, verifier = Said(), Said()
    gates = {small: 700}
    seats = {role: seat(said, gate=gates.get(role)) for role, said in (("drafter", drafter), ("verifier", verifier))}

    found = planned(root, drafter, verifier, seats=seats)

    assert isinstance(found.error, BudgetError)
    assert f"of the {small}'s gate of 700" in str(found.error)
    assert f"the {small} a larger ctx_size, at most what its model was trained for" in found.error.hint
    assert drafter.asked == verifier.asked == []


@pytest.mark.parametrize(
    ("how", "starts"),
    [
        ({}, ["drafter", "verifier", "drafter", "verifier", "drafter", "verifier"]),
        ({"beside": frozenset({"drafter", "verifier"})}, ["drafter", "verifier"]),
        ({"beside": frozenset({"drafter", "verifier"}), "process": "verifier"}, ["drafter"]),
    ],
)
def test_models_take_turns_unless_they_were_planned_beside_each_other(root, how, starts):
    said, started, running = {"drafter": Said(PLAN, PLAN), "verifier": Said(REPAIR, ACCEPT)}, [], []

    def of(role):
        def both(request):
            judged = "strict reviewer" in request["messages"][-1]["content"]
            return said["verifier" if judged else "drafter"](request)

        found = seat(both)()

        def start():
            started.append(role)
            running.append(found.start())
            return running[-1]

        return lambda: replace(found, start=start, **how)

    asked = planned(root, None, None, seats={role: of(role) for role in said}, order=order(until="plan"))

    assert asked.status == "done", asked.error
    # Counting comes first: what fits the drafter's gate, then the verifier's, then the drafter's once more.
    assert started == starts
    assert all(model.chat().dead for model in running)
