"""A run whose own files somebody has damaged: one line, and nothing of the tree is lost."""

import json
import os
import signal

import pytest
from tests.fakes.paid import BLOCK, FILE, PLAN, only_run, paid
from tests.running import ended

TOLD = {"task": None, "plan": PLAN, "commit": False, "yes": False}
KILL = ["sh", "-c", "test -e go || kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); exit 1"]


def link(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


def fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("plan.md", link, "leaves the root through a link"),
        ("plan.md", fifo, "plan.md is no regular file"),
        ("plan.md", lambda path: path.write_text(""), "plan.md, line 1: a plan begins with"),
        ("run.json", lambda path: path.write_bytes(b"\xff"), "run.json is damaged: the run cannot go on"),
        ("run.json", lambda path: path.write_text("[]"), "run.json is damaged: the run cannot go on"),
        ("run.json", lambda path: path.write_text(""), "run.json is damaged: the run cannot go on"),
        *(
            ("run.json", lambda path, told=told: path.write_text(json.dumps(TOLD | told)), "run.json is damaged")
            for told in ({"task": 1}, {"plan": []}, {"commit": "no"}, {"yes": 2}, {"plan": "# Plan\n"}, {"plan": None})
        ),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, damage, said):
    with paid(tmp_path, editor=BLOCK) as service:
        assert ended("run", "--plan", "plan.md", "--until", "preflight", folder=tmp_path)[0] == 0
        damage(only_run(tmp_path) / name)
        code, _, err = ended("run", "--resume", only_run(tmp_path).name, "--yes", folder=tmp_path)

        assert (code, said in err) == (2, True), err
        assert service.asked() == []
    assert (tmp_path / "a.py").read_text() == FILE


def test_a_ledger_and_a_trail_that_cannot_be_read_are_not_told(tmp_path):
    with paid(tmp_path, editor=BLOCK) as service:
        assert ended("run", "--plan", "plan.md", "--until", "edit", "--yes", folder=tmp_path)[0] == 0
        run = only_run(tmp_path)
        (run / "ledger.jsonl").write_bytes(b'junk{\n{}\n{"role": 1}\n\xff\n')
        (run / "trail.json").write_text("junk{")
        code, out, err = ended("run", "--resume", run.name, "--yes", "--json", folder=tmp_path)

        assert (code, len(service.asked())) == (0, 1), err
    told = json.loads(out)
    assert ([each["role"] for each in told["requests"]], "trail" in told) == (["editor"], False)


@pytest.mark.parametrize("task", [" ", "\t\n", "\u00a0"])
def test_a_task_of_blanks_is_none(tmp_path, task):
    with paid(tmp_path, architect="", editor=BLOCK) as service:
        code, _, err = ended("run", task, "--yes", folder=tmp_path)
        assert (code, "aidx: there is nothing to do" in err, service.asked()) == (2, True, [])
        assert not (tmp_path / ".aidx").exists()
        assert ended("run", task, "--plan", "plan.md", "--yes", folder=tmp_path)[0] == 0  # as without a task


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_answers_that_cannot_be_read_are_asked_for_again(tmp_path, mark):
    with paid(tmp_path, editor=BLOCK) as service:
        assert ended("run", "--plan", "plan.md", "--until", "edit", "--yes", folder=tmp_path)[0] == 0
        run = only_run(tmp_path)
        (run / "answers.jsonl").write_bytes(b'\xff\n{}\n[1]\n"x"\n')
        (run / "arriving.sse").write_bytes(b': {"asked": 1}\n\n\xff')
        (run / "plan.md").write_bytes(mark + (run / "plan.md").read_bytes())

        assert ended("run", "--resume", run.name, folder=tmp_path)[0] == 0
        assert len(service.asked()) == 2
    assert "return 2" in (tmp_path / "a.py").read_text()


def test_what_is_on_trial_is_put_back_without_what_was_around_it(tmp_path):
    with paid(tmp_path, editor=BLOCK) as service:
        service.checks(tests=KILL)
        assert ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)[0] == -signal.SIGKILL
        run = only_run(tmp_path)
        (run / "grounds.json").write_text("{")
        (run / "seen.json").write_text("[]")
        (tmp_path / "go").touch()

        assert ended("run", "--resume", run.name, folder=tmp_path)[0] == 5
    assert (tmp_path / "a.py").read_text() == FILE
