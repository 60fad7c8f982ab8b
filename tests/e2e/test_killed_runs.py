"""A run that is killed with SIGKILL at any of its records, and then resumed: nothing is asked or applied twice."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
OLD = "def f():\n    return 1\n"
DONE = {"a.py": "def f():\n    return 2\n", "new": None, "new/b.py": "B = 3\n"}


def killed(tmp_path, when, verdict):
    root, notes = tmp_path / "tree", tmp_path / "notes"
    root.mkdir()
    notes.mkdir()
    (root / "a.py").write_text(OLD)
    words = [sys.executable, "-m", "tests.fakes.killed", root, notes, when, verdict]
    done = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("verdict", ["good", "bad"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_record_and_resumed(tmp_path, when, verdict):
    found = killed(tmp_path, when, verdict)

    mixed = sum(cut["files"] != (DONE if verdict == "good" else {"a.py": OLD}) for cut in found)
    print(f"figure: {len(found)} kills {when} a record, checks {verdict}: {mixed} trees that are mixed when resumed")
    assert len(found) >= (40 if verdict == "good" else 20)
    for cut in found:
        assert cut["killed"] == -signal.SIGKILL
        assert cut["resumed"] == (verdict == "bad")
        assert cut["files"] == (DONE if verdict == "good" else {"a.py": OLD})
        lost = cut["sent"] > cut["recorded"] and not cut["arrived"]
        assert cut["twice"] == lost  # what had not come whole is asked for again, and nothing else
    came_and_was_not_taken = sum(cut["sent"] > cut["recorded"] and cut["arrived"] for cut in found)
    assert verdict == "bad" or came_and_was_not_taken >= 10


def test_killed_while_the_changes_are_on_trial_in_the_tree(tmp_path):
    (cut,) = killed(tmp_path, "check", "good")

    assert cut["killed"] == -signal.SIGKILL
    assert "return 9" in cut["middle"]
    assert (cut["resumed"], cut["twice"]) == (0, 0)
    assert cut["files"] == DONE
