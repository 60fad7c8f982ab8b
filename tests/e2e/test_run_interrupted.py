"""What a run says when it is interrupted, when another one is at work, and what it leaves running: nothing."""

import json
import os
import select
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.fakes.paid import BLOCK, FILE, GO, PLAN, only_run, paid
from tests.running import AIDX, ended

WAIT = ["sh", "-c", "touch here; while test ! -e go; do sleep 0.05; done; exit $(cat go)"]


def begun(root, *words):
    """A run that is in its check."""
    run = subprocess.Popen(
        [*AIDX, "run", *words],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (root / "here").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return run


@pytest.fixture
def service(tmp_path):
    with paid(tmp_path, architect=PLAN, thinking=GO, editor=BLOCK) as found:
        yield found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_says_how_to_go_on(tmp_path, service, number):
    service.checks(tests=WAIT)
    run = begun(tmp_path, "--plan", "plan.md", "--yes")
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    name = only_run(tmp_path).name

    assert run.returncode == 130
    said = [f"aidx: run {name} was interrupted", f"hint: Go on with it: aidx run --resume {name}"]
    assert err.split("\n")[-4:] == [*said, "", ""]
    assert (tmp_path / "a.py").read_text() == FILE

    (tmp_path / "go").write_text("0")
    assert ended("run", "--resume", name, folder=tmp_path)[0] == 0
    assert len(service.asked("editor")) == 1


def test_of_a_run_at_work_it_is_not_said_that_it_was_killed(tmp_path, service):
    service.checks(tests=WAIT)
    run = begun(tmp_path, "--plan", "plan.md", "--yes")
    name = only_run(tmp_path).name

    for words in (("--plan", "plan.md", "--yes"), ("--resume", name)):
        code, _, err = ended("run", *words, folder=tmp_path)
        assert code == 5
        assert f"run {name}" in err
        assert f": process {run.pid}, for " in err
        assert "Wait until it is done" in err
        assert "killed" not in err
    assert len(service.asked("editor")) == 1

    (tmp_path / "go").write_text("0")
    assert (run.communicate()[1] is not None, run.returncode) == (True, 0)
    assert "return 2" in (tmp_path / "a.py").read_text()


def test_two_runs_that_come_to_their_checks_together_can_both_go_on(tmp_path, service):
    """The second had been paid for when it met the first."""
    service.checks(tests=WAIT)
    assert ended("run", "--plan", "plan.md", "--yes", "--until", "edit", folder=tmp_path)[0] == 0
    second = only_run(tmp_path).name
    run = begun(tmp_path, "--plan", "plan.md", "--yes")

    code, _, err = ended("run", "--resume", second, "--yes", folder=tmp_path)
    assert (code, f": process {run.pid}, for " in err) == (5, True)
    assert err.splitlines()[-1].endswith(f"aidx run --resume {second}")

    (tmp_path / "go").write_text("1")
    run.communicate()
    assert (tmp_path / "a.py").read_text() == FILE
    (tmp_path / "go").write_text("0")
    assert ended("run", "--resume", second, folder=tmp_path)[0] == 0
    assert "return 2" in (tmp_path / "a.py").read_text()


@pytest.mark.parametrize("role", ["architect", "thinking", "editor"])
def test_an_answer_that_was_cut_says_how_to_go_on(tmp_path, role):
    roles = {"architect": PLAN, "thinking": GO, "editor": BLOCK}
    with paid(tmp_path, **{**roles, role: (roles[role], "length")}):
        code, out, _ = ended("run", "a.py returns two", "--yes", "--json", folder=tmp_path)

    error = json.loads(out)["error"]
    assert (code, error["code"]) == (4, "answer_cut")
    assert f"[roles.{role}] a larger max_tokens" in error["hint"]
    assert error["hint"].endswith(f"Then go on: aidx run --resume {only_run(tmp_path).name}")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (['{"verdict": "go", "objections": ["f is used in b"]}', GO], None),
        (
            ['{"verdict": "go", "objections": ["1. f is used in b", "(2) - and in c"]}'] * 2,
            "thinking says go, and objects: 1. f is used in b 2. and in c",
        ),
        (
            ['{"verdict": "objections", "objections": ["1. 1. f is used", "3.5 is no int"]}'],
            "thinking objects: 1. f is used 2. 3.5 is no int",
        ),
        (['{"verdict": "go"}'], None),
        ([f"```json\n{GO}\n```\n"], None),
        ([f"```JSON\n{GO}\n```\nI hope so."] * 2, "thinking gave no verdict in two answers"),
        ([f"```\n```json\n{GO}\n```\n```"] * 2, "thinking gave no verdict in two answers"),
        (["[]", '{"verdict": ["go"]}'], "thinking gave no verdict in two answers"),
    ],
)
def test_a_verdict_is_go_or_objections_numbered_once(tmp_path, answers, said):
    left = list(answers)
    with paid(tmp_path, thinking=lambda _: left.pop(0), editor=BLOCK) as service:
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)
        asked = service.asked("thinking")

    assert left == []
    assert (code, "thinking says go\n" in err) == ((0, True) if said is None else (5, False))
    assert said is None or said in err
    assert len(asked) == 1 or "Your last answer " in asked[1]


def test_questions_are_numbered_once(tmp_path):
    with paid(tmp_path, architect="1. Which f?\n2) In which file?\n- **And why?**", editor=BLOCK):
        assert (
            "the Architect asks: 1. Which f? 2. In which file? 3. And why?" in ended("run", "do it", folder=tmp_path)[2]
        )


LEAVER = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        open('left', 'w').write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not os.path.exists('left'): time.sleep(0.01)
if len(sys.argv) > 1: time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt what has left it")
@pytest.mark.parametrize("how", ["ends", "interrupted", "killed"])
def test_what_left_the_check_s_process_group_is_ended_too(tmp_path, service, how):
    (tmp_path / "leaver.py").write_text(LEAVER)
    service.checks(tests=[sys.executable, "-S", "leaver.py", *([] if how == "ends" else ["stay"])])
    command = [*AIDX, "run", "--plan", "plan.md", "--yes"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not ((tmp_path / "left").exists() and (tmp_path / "left").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    handle = os.pidfd_open(int((tmp_path / "left").read_text())) if how != "ends" else None
    if how != "ends":
        run.send_signal(signal.SIGTERM if how == "interrupted" else signal.SIGKILL)

    assert run.wait(60) == {"ends": 0, "interrupted": 130, "killed": -signal.SIGKILL}[how]
    if handle is None:
        assert not psutil.pid_exists(int((tmp_path / "left").read_text()))
    else:
        assert select.select([handle], [], [], 20)[0]
        os.close(handle)
