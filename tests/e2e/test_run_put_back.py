"""Checks that do away with the plan's files: whatever they put there is moved aside, and every byte is back."""

import os
import signal
import sys

import pytest
from tests.running import ended

TEXT = "def last(rows):\n    return rows[-1]\n"
PLAN = """# Plan: a limit

## Files
- `app/rows.py` (edit)
- `old.sh` (delete)

## Steps
1. `app/rows.py::last`: Add a parameter limit with default 10.

## Checks
- slow
"""
SETTINGS = """[roles.editor]
model = "aidx-tiny"
ctx_size = 1024
max_tokens = 256
edit_format = "lines"
[checks]
slow = ["sh", "-c", "{}"]
"""


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    (root / "app").mkdir(parents=True)
    (root / "app" / "rows.py").write_text(TEXT)
    (root / "app" / "rows.py").chmod(0o750)
    (root / "old.sh").write_text("true\n")
    (root / "old.sh").chmod(0o711)
    (root / "plan.md").write_text(PLAN)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "rows.py").write_text("theirs\n")
    return root


def carried_out(root, check, *, under=()):
    (root / "aidx.toml").write_text(SETTINGS.format(check))
    return ended("run", "--plan", "plan.md", "--yes", folder=root, under=under)


def state(root):
    """Every file but ours, with its mode."""
    return {
        str(path.relative_to(root)): (oct(path.lstat().st_mode), path.read_bytes() if path.is_file() else None)
        for path in sorted(root.rglob("*"))
        if not {".aidx", "aidx.toml"} & set(path.relative_to(root).parts)
    }


def aside(root):
    return sorted(path.name for path in root.glob(".aidx/runs/*/aside/*"))


@pytest.mark.parametrize(
    ("deed", "said", "kept"),
    [
        ("ln -sf ../../elsewhere/rows.py app/rows.py", "leaves the root through a link", ["1-rows.py"]),
        ("ln -sf ../plan.md app/rows.py", "app/rows.py is a link", ["1-rows.py"]),
        ("rm app/rows.py; mkdir -p app/rows.py/x", "app/rows.py is no regular file", ["1-rows.py"]),
        ("rm app/rows.py; mkfifo app/rows.py", "app/rows.py is no regular file", ["1-rows.py"]),
        ("rm -r app; ln -s ../elsewhere app", "leaves the root through a link", ["1-app"]),
        ("rm -r app; echo > app", "app/rows.py cannot be opened: Not a directory", ["1-app"]),
        ("rm -r app", "app/rows.py is gone", []),
        ("rm app/rows.py", "app/rows.py is gone", []),
        ("truncate -s 40M app/rows.py", "more than", ["1-rows.py"]),
        ("mkdir old.sh; ln -sf /etc/passwd app/rows.py", "old.sh is no regular file", ["1-rows.py", "2-old.sh"]),
    ],
)
def test_what_a_check_puts_in_the_place_of_a_file_is_moved_aside(root, tmp_path, deed, said, kept):
    before = state(root)

    done = carried_out(root, f"{deed}; exit {len(kept)}")  # a check that passes may not do so neither

    assert done.returncode == 5, done.stderr
    assert state(root) == before
    assert "check slow did away with files of the plan" in done.stderr
    assert said in done.stderr
    assert aside(root) == kept
    (run,) = (root / ".aidx" / "runs").iterdir()
    for name in kept:
        assert f"is in .aidx/runs/{run.name}/aside/{name} now\n" in done.stderr
    assert f"go on with aidx run --resume {run.name}" in done.stderr
    assert (tmp_path / "elsewhere" / "rows.py").read_text() == "theirs\n"


def test_with_the_check_mended_the_run_goes_on(root):
    assert carried_out(root, "rm -r app; ln -s / app").returncode == 5
    (run,) = (root / ".aidx" / "runs").iterdir()
    (root / "aidx.toml").write_text(SETTINGS.format("true"))

    assert ended("run", "--resume", run.name, folder=root).returncode == 0
    assert "limit=10" in (root / "app" / "rows.py").read_text()
    assert not (root / "old.sh").exists()


def test_a_plan_in_which_one_file_is_the_folder_of_another_is_refused(root):
    plan = PLAN.replace("- `old.sh` (delete)", "- `x` (create)\n- `x/y` (create)")
    (root / "plan.md").write_text(plan.replace("\n## Checks", "2. `x`: a\n3. `x/y`: b\n\n## Checks"))

    done = carried_out(root, "true")
    assert (done.returncode, "plan.md, line 6: x/y and x cannot both be files" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("deed", ["chmod 777 app/rows.py", "cp plan.md app/rows.py", "rm old.sh; cp -p plan.md old.sh"])
def test_modes_are_put_back_too(root, deed):
    before = state(root)

    assert carried_out(root, f"{deed}; exit 1").returncode == 5
    assert state(root) == before


def test_a_run_that_is_killed_in_such_a_check_puts_everything_back_when_it_is_resumed(root):
    before = state(root)
    (root / "kill").write_text(
        "import os, signal\n"
        "led = open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()\n"
        "led = open(f'/proc/{led[1]}/stat').read().rpartition(')')[2].split()\nos.kill(int(led[1]), signal.SIGKILL)\n"
    )
    done = carried_out(root, f"rm -r app; ln -s / app; {sys.executable} -S kill; sleep 60")
    assert done.returncode == -signal.SIGKILL
    assert (root / "app").is_symlink()
    (root / "kill").unlink()
    (run,) = (root / ".aidx" / "runs").iterdir()

    (root / "aidx.toml").write_text(SETTINGS.format("exit 1"))
    done = ended("run", "--resume", run.name, folder=root)

    assert done.returncode == 5
    assert state(root) == before
    assert f"what stood in the place of app is in .aidx/runs/{run.name}/aside/1-app now\n" in done.stderr


def test_what_cannot_be_put_back_is_named_with_what_to_do(root):
    """Without the right of root to write everywhere."""
    before = state(root)
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

    done = carried_out(root, "chmod 500 app; exit 1", under=unprivileged)

    assert done.returncode == 5
    assert done.stderr.splitlines()[-2].startswith("aidx: not put back, as on trial still: app/rows.py, old.sh: ")
    assert "Permission denied" in done.stderr.splitlines()[-2]
    (run,) = (root / ".aidx" / "runs").iterdir()
    assert done.stderr.splitlines()[-1].endswith(f"every byte is then put back with aidx run --resume {run.name}.")
    assert ("limit=10" in (root / "app" / "rows.py").read_text(), (root / "old.sh").exists()) == (True, False)
    assert ended("run", "--plan", "plan.md", "--yes", folder=root).returncode == 5  # nothing is built on it

    (root / "app").chmod(0o755)
    assert ended("run", "--resume", run.name, folder=root).returncode == 5
    (root / "app").chmod(0o755)  # modes of folders are the check's
    assert state(root) == before


def test_with_the_run_s_own_folder_behind_a_link_the_files_are_named(root, tmp_path):
    """What the check did to that folder keeps the journal from being written; nothing is written behind the link."""
    before = state(root)
    done = carried_out(root, "mv .aidx ../away; ln -s ../away .aidx; exit 1")

    assert done.returncode == 5
    assert "aidx: not put back, as on trial still: app/rows.py, old.sh: .aidx/edit/" in done.stderr
    assert not (tmp_path / "away" / "edit" / "journal").exists()
    (root / ".aidx").unlink()
    (tmp_path / "away").rename(root / ".aidx")
    (run,) = (root / ".aidx" / "runs").iterdir()
    (root / "aidx.toml").write_text(SETTINGS.format("exit 1"))
    assert ended("run", "--resume", run.name, folder=root).returncode == 5
    assert state(root) == before


@pytest.mark.parametrize(("end", "code"), [("false", 5), ("true", 0)])
def test_what_somebody_saves_meanwhile_is_not_lost(root, end, code):
    done = carried_out(root, f"echo mine >> app/rows.py; echo new > old.sh; chmod 600 app/rows.py; {end}")

    assert done.returncode == code, done.stderr
    assert "check: app/rows.py was changed by the checks or by somebody meanwhile: " in done.stderr
    if code == 0:
        assert (root / "app" / "rows.py").read_text().endswith("mine\n")
        return
    assert ((root / "app" / "rows.py").read_text(), (root / "old.sh").read_text()) == (TEXT, "true\n")
    kept, other = (min(root.glob(f".aidx/runs/*/aside/saved-*-{name}")) for name in ("rows.py", "old.sh"))
    assert (kept.read_text()[-5:], oct(kept.stat().st_mode)[-3:], other.read_text()) == ("mine\n", "600", "new\n")
    assert f"what it said is in {kept.relative_to(root)}" in done.stderr
