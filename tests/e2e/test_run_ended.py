"""A run that is ended from outside while its edits are on trial, with the real engine and the small model."""

import signal
import subprocess

import psutil
import pytest
from tests.running import AIDX, ended

TEXT = "def last(rows):\n    return rows[-1]\n"
PLAN = """# Plan: a limit

## Files
- `rows.py` (edit)

## Steps
1. `rows.py::last`: Add a parameter limit with default 10.

## Checks
- slow
"""
SETTINGS = """[roles.editor]
model = "aidx-tiny"
ctx_size = 1024
max_tokens = 256
edit_format = "lines"
[checks]
slow = ["sh", "-c", "test -e decided && exit 1; sleep 120"]
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "rows.py").write_text(TEXT)
    (tmp_path / "plan.md").write_text(PLAN)
    (tmp_path / "aidx.toml").write_text(SETTINGS)
    return tmp_path


def on_trial(root):
    """A run whose check is at work; the check's own processes."""
    command = [*AIDX, "run", "--plan", "plan.md", "--yes"]
    run = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in run.stderr:
        if line.startswith("aidx: check: slow"):
            break
    while not (at_work := [one for one in psutil.Process(run.pid).children(recursive=True) if one.name() == "sleep"]):
        pass
    assert (root / "rows.py").read_text() != TEXT
    return run, at_work


def end(run, number):
    run.send_signal(number)
    run.stderr.read()
    run.stderr.close()
    return run.wait(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_to_be_told_to_end_is_to_put_everything_back(root, number):
    run, at_work = on_trial(root)

    assert end(run, number) == 130
    assert (root / "rows.py").read_text() == TEXT
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in at_work)


def test_after_a_kill_nothing_is_built_on_what_was_on_trial(root):
    run, at_work = on_trial(root)
    assert end(run, signal.SIGKILL) == -signal.SIGKILL
    psutil.wait_procs(at_work, timeout=10)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in at_work)
    left = (root / "rows.py").read_text()

    for command in (("run", "--plan", "plan.md", "--yes"), ("apply", "-")):
        code, _, err = ended(
            *command, folder=root, text="rows.py\n<<<<<<< SEARCH\nreturn\n=======\nyield\n>>>>>>> REPLACE\n"
        )
        assert code == 5
        assert "are still on trial in the tree: it was killed" in err
        assert (root / "rows.py").read_text() == left
    name = err.split("--resume ")[1].split()[0]

    (root / "decided").touch()
    assert ended("run", "--resume", name, folder=root)[0] == 5  # the check has said no
    assert (root / "rows.py").read_text() == TEXT
    assert "on trial in the tree" not in ended("run", "--plan", "plan.md", "--yes", folder=root)[2]


@pytest.mark.parametrize("path", [".github/workflows/x.yml", "aidx.toml", "sub/aidx.toml", ".aider.conf.yml"])
def test_no_plan_changes_what_chooses_commands(root, path):
    action = "edit" if (root / path).exists() else "create"
    (root / "plan.md").write_text(PLAN.replace("rows.py` (edit)", f"{path}` ({action})").replace("rows.py::last", path))
    code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=root)

    assert (code, f"{path} is run by other programs" in err) == (2, True)
    answer = f"{path}\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n"
    assert ended("apply", "-", folder=root, text=answer)[0] == 5
    assert (root / "aidx.toml").read_text() == SETTINGS
