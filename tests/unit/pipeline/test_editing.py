"""The Hard Reset: what the Editor sees, step by step, and what becomes of its answers."""

import inspect

import pytest

from aidx.pipeline.artifact.parse import parse
from aidx.pipeline.editing import StepRefusedError, edit

PLAN = parse(
    "# Plan: rename\n\nBecause.\n\n## Files\n- `a.py` (edit)\n- `new.py` (create)\n- `old.py` (delete)\n"
    "- `notes.md` (read)\n\n## Steps\n1. `a.py::A.f`: Return two.\n2. `new.py`: Make it.\n3. `a.py`: Add a line.\n"
)
FILES = {
    "a.py": b"class A:\n    def f(self):\n        return 1\n\n    def g(self):\n        return 'secret'\n",
    "old.py": b"x",
    "notes.md": b"Notes.",
    "new.py": None,
}
FIRST = "a.py\n<<<<<<< SEARCH\n        return 1\n=======\n        return 2\n>>>>>>> REPLACE\n"
SECOND = "new.py\n<<<<<<< SEARCH\n=======\nz = 3\n>>>>>>> REPLACE\n"
THIRD = "a.py\n<<<<<<< SEARCH\n        return 2\n=======\n        return 2  # two\n>>>>>>> REPLACE\n"


def drive(answers, plan=PLAN, files=FILES, form="blocks"):
    asked, run = [], edit(plan, files, form)
    try:
        ask = next(run)
        for answer in answers:
            asked.append(ask)
            ask = run.send(answer)
    except StopIteration as stop:
        return asked, stop.value
    raise AssertionError("more was asked than was answered")


def test_a_plan_becomes_new_files():
    _, files = drive([FIRST, SECOND, THIRD])

    assert files == {
        "a.py": FILES["a.py"].replace(b"return 1", b"return 2  # two"),
        "new.py": b"z = 3\n",
        "old.py": None,
    }


def test_there_is_no_parameter_for_a_history():
    assert list(inspect.signature(edit).parameters) == ["plan", "files", "form"]


def test_a_prompt_holds_the_plan_the_step_and_only_the_symbol():
    asked, _ = drive([FIRST, SECOND, THIRD])

    first = asked[0].prompt
    names = [item.name for item in first.items if item.text]
    assert names == ["plan", "steps", "step", "a.py outline", "a.py::A.f", "notes.md"]
    assert "def g(self):" in first.user
    assert "secret" not in first.user
    assert [message["role"] for message in first.messages] == ["system", "user"]


def test_a_later_step_sees_the_files_and_nothing_of_earlier_answers():
    asked, _ = drive([FIRST + "PRATTLE", SECOND, THIRD])

    assert "return 2" in asked[2].prompt.user
    assert all("PRATTLE" not in ask.prompt.user for ask in asked)


def test_a_refused_answer_is_asked_for_once_more_with_the_reason():
    asked, files = drive([FIRST.replace("return 1", "return 9"), FIRST, SECOND, THIRD])

    assert [(ask.step, ask.attempt) for ask in asked] == [(0, 1), (0, 2), (1, 1), (2, 1)]
    assert "Your first answer was refused: SEARCH does not stand in the file" in asked[1].prompt.user
    assert b"two" in files["a.py"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I would rather not.", "syntax"),
        (SECOND, "not_allowed"),
        (SECOND.replace("new.py", "../x"), "outside_root"),
        (FIRST + SECOND, "not_allowed"),
        (FIRST.replace("return 2", "return ("), "syntax"),
    ],
)
def test_two_refused_answers_end_it(answer, reason):
    with pytest.raises(StepRefusedError) as caught:
        drive([answer, answer])

    assert reason in {item.reason for item in caught.value.refused}
    assert caught.value.exit_code == 5
    assert "step 1 (a.py::A.f)" in str(caught.value)


LINES = parse("# Plan: x\n## Files\n- `a.py` (edit)\n## Steps\n1. `a.py::A.f`: Return two.\n")


def test_small_models_are_shown_one_sentence_and_numbered_lines():
    asked, files = drive(["02|        return 2"], LINES, form="lines")

    assert asked[0].prompt.messages == [
        {"role": "user", "content": "Return two.\n\n01|    def f(self):\n02|        return 1"}
    ]
    assert files == {"a.py": FILES["a.py"].replace(b"return 1", b"return 2")}


@pytest.mark.parametrize("answer", ["nonsense", "09|x", "02|        return (", ""])
def test_line_edits_that_do_not_fit_are_refused(answer):
    with pytest.raises(StepRefusedError):
        drive([answer, answer], LINES, form="lines")


def test_line_edits_keep_windows_line_endings():
    files = {"a.py": FILES["a.py"].replace(b"\n", b"\r\n")}

    _, after = drive(["02|        return 2\n02+|        # end"], LINES, files, "lines")

    assert after["a.py"] == files["a.py"].replace(b"return 1\r\n", b"return 2\r\n        # end\r\n")
