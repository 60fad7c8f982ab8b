"""The pure parts of a run: what a check's end means, what a task names, verdicts, and the record."""

import json

import pytest

from aidx.pipeline.checks import HEAD, TAIL, clipped, judge, telling
from aidx.pipeline.context.architect import named
from aidx.pipeline.context.prompt import Item, Prompt
from aidx.pipeline.context.thinking import Verdict, verdict
from aidx.pipeline.effects import Ask, Confirm, Count, Hand, Keep, Read, Recalled, Try
from aidx.pipeline.flow import Order, phases, pipeline
from aidx.pipeline.replay import Replay, key, line
from aidx.ports.programs import Errand, Ran, Worked


@pytest.mark.parametrize(
    ("argv", "status", "expected"),
    [
        (("pytest",), 0, "passed"),
        (("pytest", "-q"), 1, "findings"),
        (("pytest",), 2, "findings"),
        (("python", "-m", "pytest"), 4, "infrastructure"),
        (("uv", "run", "pytest"), 5, "infrastructure"),
        (("/usr/bin/pytest",), 3, "infrastructure"),
        (("pre-commit", "run"), 1, "findings"),
        (("pre-commit", "run"), 3, "infrastructure"),
        (("make",), 3, "findings"),
        (("make",), 127, "infrastructure"),
        (("make",), -11, "findings"),
        (("make",), None, "findings"),
    ],
)
def test_findings_and_broken_checks_are_told_apart(argv, status, expected):
    assert judge(argv, Ran(status, "")) == expected


def test_a_long_output_keeps_both_ends_and_says_what_is_missing():
    text = "A" * HEAD + "x" * 777 + "B" * TAIL

    assert clipped(text) == "A" * HEAD + "\n[… 777 characters left out …]\n" + "B" * TAIL
    assert clipped(" short \n") == "short"


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ("Check t ended with status 1:\nTraceback\n  x\nValueError: no\n\nFAILED (errors=1)\n", "ValueError: no"),
        ("E   assert 1 == 2\nE   AssertionError: no\n1 failed in 0.1s", "E   AssertionError: no"),
        ("made of glass\n\n", "made of glass"),
        ("", ""),
    ],
)
def test_the_line_that_says_most(findings, expected):
    assert telling(findings) == expected


def test_a_task_names_files_by_their_paths():
    task = "Make app/a.py (see ./docs/x.md, setup.cfg) faster; not /etc/passwd, ../x.py, .git/config, nor e.g."

    assert named(task) == ("app/a.py", "docs/x.md", "setup.cfg", "e.g")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"verdict": "go", "objections": []}', Verdict(go=True, objections=())),
        ('{"verdict": "objections", "objections": ["a\\nb"]}', Verdict(go=False, objections=("a b",))),
        ('{"verdict": "go", "objections": ["but"]}', Verdict(go=True, objections=("but",))),
        ('{"verdict": "objections", "objections": []}', None),
        ('{"verdict": "maybe", "objections": []}', None),
        ('{"verdict": "go"}', Verdict(go=True, objections=())),
        ('{"verdict": ["go"]}', None),
        ('{"verdict": "go", "objections": "none"}', None),
        ('{"verdict": "objections", "objections": [1]}', None),
        ("[]", None),
        ("go", None),
    ],
)
def test_a_verdict_is_taken_or_is_none(answer, expected):
    assert verdict(answer) == expected


PROMPT = Prompt("be brief", (Item("a", "b"),))


@pytest.mark.parametrize(
    ("effect", "answer"),
    [
        (Read(("a", "b")), {"a": b"\xff\x00", "b": None}),
        (Ask("edit", "editor", PROMPT), "text\nmore"),
        (Hand("edit", Errand("do", {"a": b"\xff", "b": None}, "a")), Worked({"a": b"x", "c": None}, "done")),
        (Confirm("abc", "plan"), True),
        (Try({"a": b"x"}, {"a": None}, ("t",)), (Ran(1, "no"), Ran(None, ""))),
    ],
)
def test_an_answer_is_found_again_once(effect, answer):
    replay = Replay([line(effect, answer), b'{"cut off', b"[]", b'"x"'])

    assert replay.find(effect) == (answer,)
    assert replay.find(effect) is None


def test_a_no_is_not_kept_and_neither_is_what_is_done_each_time():
    assert line(Confirm("abc", ""), answer=False) is None
    assert line(Keep(), None) is None
    assert key(Count("edit", "editor", (PROMPT,))) is None


def test_requests_differ_by_attempt_and_words():
    asks = [Ask("edit", "editor", PROMPT), Ask("edit", "editor", PROMPT, 2), Ask("check", "editor", PROMPT)]

    assert len({key(ask) for ask in asks}) == 3


def test_the_record_is_json_with_the_request():
    found = json.loads(line(Ask("edit", "editor", PROMPT), "text", [{"role": "editor"}]))

    assert found["what"] == "ask"
    assert found["requests"] == [{"role": "editor"}]
    assert Replay([json.dumps(found).encode()]).requests == [{"role": "editor"}]


def test_a_plan_that_only_deletes_asks_nobody():
    plan = "# Plan: drop\n## Files\n- `old.py` (delete)\n"
    flow = pipeline(Order("drop", plan))
    asked, reply = [], None
    try:
        while True:
            effect = flow.send(reply)
            asked.append(type(effect).__name__)
            answers = {"Recall": Recalled(), "Count": (), "Guard": {}, "Confirm": True, "Try": ()}
            reply = {**answers, "Read": {"old.py": b"x\n"}, "Look": {"old.py": None}}.get(asked[-1])
    except StopIteration as stop:
        outcome = stop.value

    assert "Ask" not in asked
    assert outcome.files == (("old.py", "deleted"),)
    assert outcome.diff == "--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"


def test_phases_are_those_of_the_order():
    assert phases(Order("x")) == ("research", "plan", "preflight", "edit", "check")
    assert phases(Order("x", "# Plan", commit=True)) == ("preflight", "edit", "check", "commit")
    assert phases(Order("x", until="plan")) == ("research", "plan")
