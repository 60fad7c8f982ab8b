"""What did not change is not said to have changed; what a check has formatted is kept, and taken back, as its own."""

import json
import signal
import subprocess

import pytest
from tests.fakes.paid import BLOCK, FILE, PLAN, only_run, paid
from tests.running import ended

SAME = BLOCK.replace("return 2", "return 1")
TWO = PLAN.replace("1. `a.py`", "1. `b.py`: Leave it.\n2. `a.py`").replace("- `a.py`", "- `b.py` (edit)\n- `a.py`")
GIT = ("git", "-c", "user.name=n", "-c", "user.email=e@example.invalid")
FORMAT = "echo '# formatted' >> a.py"


def answer(text):
    return SAME.replace("a.py", "b.py") if "Your step now: b.py" in text else BLOCK


def git(root, *words):
    return subprocess.run([*GIT, *words], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "n")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "e@example.invalid")
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text(FILE)
    (tmp_path / "b.py").write_text(FILE)
    git(tmp_path, "add", "a.py", "b.py")
    git(tmp_path, "commit", "-qm", "chore: begin")
    return tmp_path


def test_a_step_that_changed_nothing_is_not_called_an_edit(repository):
    with paid(repository, editor=answer) as service:
        (repository / "plan.md").write_text(TWO)
        code, out, err = ended("run", "--plan", "plan.md", "--yes", folder=repository)
        asked = service.asked("editor")

    assert code == 0
    assert out.splitlines()[-2:] == ["b.py: unchanged", "a.py: edited"]
    assert "edit: step 1 (b.py) changed nothing\n" in err
    assert "Your first answer was refused: it changes nothing" in asked[1]
    assert len(asked) == 3


@pytest.mark.parametrize("more", [(), ("--commit",), ("--until", "edit")])
def test_a_run_that_changed_nothing_is_not_done(repository, more):
    with paid(repository, editor=SAME) as service:
        (repository / "plan.md").write_text(f"{PLAN}\n## Commit\nfix: two\n")
        code, out, _ = ended("run", "--plan", "plan.md", "--yes", "--json", *more, folder=repository)
        found = json.loads(out)
        assert (code, found["status"], found["commit"]) == (5, "failed", None)
        assert found["reason"] == "no step changed anything: the tree is as it was"
        assert ended("run", "--resume", only_run(repository).name, folder=repository)[0] == 5
        assert len(service.asked("editor")) == 2
    assert git(repository, "log", "--format=%s") == "chore: begin\n"


def test_what_a_check_takes_back_is_not_said_to_be_there(repository):
    with paid(repository, editor=BLOCK) as service:
        service.checks(tests=["git", "checkout", "-q", "a.py"])
        (repository / "plan.md").write_text(f"{PLAN}\n## Commit\nfix: two\n")
        code, _, err = ended("run", "--plan", "plan.md", "--yes", "--commit", folder=repository)

    assert code == 5
    assert "no step changed anything" in err
    assert git(repository, "log", "--format=%s") == "chore: begin\n"


def test_a_commit_of_somebody_else_is_not_told_as_the_run_s(repository):
    (repository / "a.py").write_text(FILE.replace("1", "2"))
    git(repository, "commit", "-qam", "fix: earlier")
    with paid(repository, editor=BLOCK):  # the tree is dirty, and the plan brings it to what was committed
        (repository / "plan.md").write_text(f"{PLAN}\n## Commit\nfix: two\n")
        code, out, err = ended("run", "--plan", "plan.md", "--yes", "--commit", folder=repository)

    assert (code, out) == (5, "")
    assert "there is nothing to commit: the plan's files are as the last commit has them" in err
    assert (repository / "a.py").read_text() == FILE.replace("1", "2")


def test_what_a_check_has_formatted_survives_a_kill(repository):
    """The run is killed by a hook of git's, behind its checks."""
    hook = repository / ".git" / "hooks" / "pre-commit"
    with paid(repository, editor=BLOCK) as service:
        service.checks(tests=["sh", "-c", FORMAT])
        (repository / "plan.md").write_text(f"{PLAN}\n## Commit\nfix: two\n")
        hook.write_text("#!/bin/sh\nkill -9 $(cut -d' ' -f4 /proc/$PPID/stat)\n")
        hook.chmod(0o755)
        assert ended("run", "--plan", "plan.md", "--yes", "--commit", folder=repository)[0] == -signal.SIGKILL
        hook.unlink()
        (repository / ".git" / "index.lock").unlink(missing_ok=True)

        code, _, err = ended("run", "--resume", only_run(repository).name, folder=repository)
        assert code == 0, err
        assert len(service.asked("editor")) == 1
    assert git(repository, "show", "HEAD:a.py") == FILE.replace("1", "2") + "# formatted\n"
    assert git(repository, "log", "--format=%s") == "fix: two\nchore: begin\n"


def test_what_an_interrupted_check_had_formatted_is_taken_back(repository):
    with paid(repository, editor=BLOCK) as service:
        service.checks(tests=["sh", "-c", f"{FORMAT}; kill -TERM $(cut -d' ' -f4 /proc/$PPID/stat); sleep 60"])
        assert ended("run", "--plan", "plan.md", "--yes", folder=repository)[0] == 130
    assert (repository / "a.py").read_text() == FILE
