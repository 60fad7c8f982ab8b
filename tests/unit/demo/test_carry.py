"""The last scene: the same stage and plans with Editors that are right, wrong, or do as they are told."""

import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fakes.pipeline import seat

from aidx.adapters.checks import ProcessChecker
from aidx.adapters.git import Git
from aidx.adapters.workspace.held import HeldWorkspace
from aidx.adapters.workspace.records import RunRecords
from aidx.adapters.workspace.scratch import Scratch
from aidx.demo import words
from aidx.demo.carry import Place, carry_out
from aidx.demo.scratch import FILES, RIGHT, WRONG, checks
from aidx.pipeline.run import World

ANSWERS = {
    "Set the default of rate": "01|def tax(amount, rate=19):",
    "The function returns int": "01|def tax(amount, rate=19) -> int:",
    "Set the default of currency": "01|def total(rows, currency='EUR'):",
    "Add the docstring": '01+|    """Sum the rows."""',
    "Rename the parameter": "01|def total(rows, unit='EUR'):",
}


@pytest.fixture
def scratch():
    with closing(Scratch(FILES)) as found:
        yield found


@pytest.fixture
def place(scratch):
    commands = checks(sys.executable)

    @contextmanager
    def opened(seats):
        root = scratch.root
        with closing(HeldWorkspace(root)) as workspace, closing(RunRecords(root)) as records:
            yield World(
                workspace=workspace,
                seats=seats,
                records=records,
                checker=ProcessChecker(root),
                commands=commands,
                repository=Git(root),
                confirm=lambda *_: True,
                tell=lambda _: None,
            )

    return Place(opened, scratch.tree, commands, scratch.commits)


def editor(**other):
    """Answers by the step; *other* says what else it answers to which."""
    answers = {**ANSWERS, **{name.replace("_", " "): text for name, text in other.items()}}

    def script(request):
        text = request["messages"][-1]["content"]
        return next(answer for start, answer in answers.items() if text.startswith(start))

    return {"editor": seat(script)}


def test_a_plan_that_the_editor_masters_is_carried_out_and_committed(place):
    found = carry_out(RIGHT, place, editor())

    assert (found.status, found.reason) == ("done", None)
    assert "+def tax(amount, rate=19) -> int:" in found.diff
    assert not found.as_before
    assert found.holds
    assert found.commit is not None
    assert [request.phase for request in found.requests] == ["edit"] * 4
    assert f"checks passed: prices; commit {found.commit[:7]}" in "\n".join(words.carried_lines(found))


def test_a_wrong_edit_is_caught_and_the_tree_is_as_before(place):
    before = place.tree()

    found = carry_out(WRONG, place, editor(Rename_the_parameter="01|def unit(rows, currency):"))

    assert found.status == "failed"
    assert place.tree() == before
    assert found.as_before
    assert found.holds
    assert "+def unit(rows, currency):" in found.diff
    shown = words.carried_lines(found)
    assert "  that was tried and taken back: every file is as it was before" in shown
    assert any("the checks say: ImportError" in line for line in shown)


def test_half_an_edit_is_caught_too(place):
    carry_out(RIGHT, place, editor())

    header_only = carry_out(WRONG, place, editor())  # the body still says currency

    assert header_only.status == "failed"
    assert "NameError" in header_only.objection


def test_a_tree_that_is_neither_is_no_success(place):
    found = carry_out(WRONG, place, editor(Rename_the_parameter="01|def unit(rows, currency):"))

    assert not replace(found, as_before=False).holds
    assert not replace(found, status="done").holds
    assert "THE TREE IS NOT AS BEFORE" in words.carried_lines(replace(found, as_before=False))[-1]


def test_the_stage_is_gone_afterwards_and_takes_nothing_of_the_user(tmp_path, monkeypatch):
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(hooks.parent))

    with closing(Scratch(FILES)) as scratch:
        root = Path(scratch.root)
        assert set(scratch.tree()) == set(FILES)
        assert not (root / ".git" / "hooks").exists()

    assert not root.exists()
