"""A disk that is full, and a tree that may not be written: the file, the reason and a hint, exit 2."""

import errno
import json
import os
import resource
import subprocess
from pathlib import Path

import pytest
from tests.running import AIDX

from aidx.adapters.workspace.held import HeldWorkspace
from aidx.adapters.workspace.records import RunRecords
from aidx.errors import InputError

PLAN = "# Plan: x\n\n## Files\n- `a.py` (edit)\n\n## Steps\n1. `a.py`: Do.\n"
ANSWER = "a.py\n<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "plan.md").write_text(PLAN)
    return tmp_path


def refused(root, *words):
    command = [*AIDX, *words, "--json"]
    done = subprocess.run(command, cwd=root, input=ANSWER.encode(), capture_output=True, check=False, preexec_fn=full)
    assert b"Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)["error"]


def test_a_folder_that_cannot_be_made_is_told_as_the_disk_tells_it(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", refuse)
    for held in (RunRecords, lambda root: HeldWorkspace(root).write({"a.py": b"1"}, {"a.py": None})):
        with pytest.raises(InputError, match="Read-only file system") as found:
            held(str(tmp_path))
        assert found.value.hint == "Make it writable, or work on a copy."


def full():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize(
    ("words", "place"),
    [(("run", "--plan", "plan.md", "--yes"), "/.aidx/runs/"), (("apply", "-"), ""), (("index",), "/.aidx")],
)
def test_a_full_disk(root, words, place):
    code, error = refused(root, *words)

    assert code == 2, error
    assert f"cannot write in {root}" in error["message"] or f"cannot write {root}{place}" in error["message"]
    assert "File too large" in error["message"]
    assert error["code"] == "cannot_write"
    assert "Free some space" in error["hint"]
    assert (root / "a.py").read_text() == "x = 1\n"


def test_output_to_a_full_disk():
    words = [*AIDX, "plan", "aidx-tiny", "--fast"]
    with Path("/dev/full").open("w", encoding="ascii") as stdout:
        done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, check=False)

    said = done.stderr.decode().splitlines()
    assert (done.returncode, said[0]) == (1, "aidx: cannot write the output: No space left on device")
    assert said[1] == "hint: Free some space where it goes, or write it to another file."
