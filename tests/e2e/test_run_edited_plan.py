"""A person edits the plan of a run, and goes on with it."""

import json
import signal

import pytest
from tests.fakes.paid import BLOCK, FILE, GO, PLAN, only_run, paid
from tests.running import ended

OBJECTS = '{"verdict": "objections", "objections": ["f has to return three"]}'


def judge(text):
    return OBJECTS if "Return two." in text else GO


def edit(text):
    return BLOCK.replace("return 2", "return 3") if "Return three." in text else BLOCK


@pytest.fixture
def service(tmp_path):
    with paid(tmp_path, architect=f"Let me think.\n\n{PLAN}", thinking=judge, editor=edit) as found:
        yield found


def changed(plan, old="Return two.", new="Return three."):
    assert old in plan.read_text()
    plan.write_text(plan.read_text().replace(old, new))


def test_a_plan_that_was_edited_is_what_is_carried_out(tmp_path, service):
    code, _, err = ended("run", "a.py returns two", "--until", "plan", folder=tmp_path)
    run = only_run(tmp_path)
    plan = run / "plan.md"
    assert code == 0
    assert err.splitlines()[-2:] == [
        f"the plan is in .aidx/runs/{run.name}/plan.md: edit it where you like",
        f"stopped after plan; go on: aidx run --resume {run.name}",
    ]
    assert plan.read_text() == PLAN

    code, _, err = ended("run", "--resume", run.name, "--yes", folder=tmp_path)
    assert code == 5
    assert f"hint: Change .aidx/runs/{run.name}/plan.md, and go on with aidx run --resume {run.name}." in err

    changed(plan)
    code, _, err = ended("run", "--resume", run.name, folder=tmp_path)
    assert code == 2  # nobody is here to agree to it
    assert f"plan: .aidx/runs/{run.name}/plan.md was edited, and is taken as it is now" in err
    code, out, err = ended("run", "--resume", run.name, "--yes", "--json", folder=tmp_path)
    assert code == 0, err
    assert "return 3" in (tmp_path / "a.py").read_text()
    assert [len(service.asked(role)) for role in ("architect", "thinking", "editor")] == [1, 2, 1]
    assert len(json.loads(out)["requests"]) == 4
    assert ended("run", "--resume", run.name, folder=tmp_path)[0] == 0  # done, and it was tried as it stands there


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("(edit)", "(mend)", "plan.md, line 4: expected"),
        ("`a.py`", "`b.py`", "the plan does not fit this tree: b.py is to edit, and there is no such file"),
        ("- tests", "- rm", "check rm does not stand under [checks]"),
        ("Return", "\udc80", "plan.md: byte 59 is not UTF-8"),
    ],
)
def test_an_edited_plan_is_looked_at_like_any_other(tmp_path, service, old, new, said):
    assert ended("run", "--plan", "plan.md", "--until", "preflight", folder=tmp_path)[0] == 5
    plan = only_run(tmp_path) / "plan.md"
    plan.write_bytes(plan.read_text().replace(old, new).encode("utf-8", "surrogateescape"))

    code, _, err = ended("run", "--resume", plan.parent.name, "--yes", folder=tmp_path)

    assert (code, said in err) == (2, True), err
    assert len(service.asked()) == 1
    assert (tmp_path / "a.py").read_text() == FILE


def test_what_was_paid_for_and_still_applies_is_not_asked_again(tmp_path, service):
    (tmp_path / "plan.md").write_text(PLAN.replace("two", "three"))
    assert ended("run", "--plan", "plan.md", "--until", "edit", "--yes", folder=tmp_path)[0] == 0
    run = only_run(tmp_path)
    (run / "plan.md").write_text((run / "plan.md").read_text() + "\n## Commit\nfix: three\n")

    assert ended("run", "--resume", run.name, folder=tmp_path)[0] == 0
    assert [len(service.asked(role)) for role in ("thinking", "editor")] == [2, 1]  # the verdict is on the plan


def killing(root):
    return ["sh", "-c", "test -e go || kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); exit $(cat go)"]


def test_a_plan_that_is_edited_while_its_edits_are_on_trial_is_refused(tmp_path, service):
    (tmp_path / "plan.md").write_text(PLAN.replace("two", "three"))
    service.checks(tests=killing(tmp_path))
    assert ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)[0] == -signal.SIGKILL
    run = only_run(tmp_path)
    on_trial = (tmp_path / "a.py").read_text()
    assert on_trial != FILE
    changed(run / "plan.md", "three", "four")
    (tmp_path / "go").write_text("1")

    code, _, err = ended("run", "--resume", run.name, folder=tmp_path)
    assert code == 2
    assert "the run's plan was changed after its edits had been put into the tree, where they still are" in err
    assert (tmp_path / "a.py").read_text() == on_trial

    (run / "plan.md").write_text((run / "tried.md").read_text())  # as the hint says
    assert ended("run", "--resume", run.name, folder=tmp_path)[0] == 5
    assert (tmp_path / "a.py").read_text() == FILE
    changed(run / "plan.md", "Return three.", "Return two, not three.")  # nothing is on trial any more
    (tmp_path / "go").write_text("0")
    assert ended("run", "--resume", run.name, folder=tmp_path)[0] == 0
    assert "return 2" in (tmp_path / "a.py").read_text()


def test_a_plan_that_is_edited_after_its_run_is_done_begins_a_new_one(tmp_path, service):
    (tmp_path / "plan.md").write_text(PLAN.replace("two", "three"))
    assert ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)[0] == 0
    run = only_run(tmp_path)
    changed(run / "plan.md", "three", "four")

    code, _, err = ended("run", "--resume", run.name, folder=tmp_path)

    assert (code, f"run {run.name} is done, and its plan was edited since" in err) == (2, True)
    assert f"aidx run --plan .aidx/runs/{run.name}/plan.md" in err
