"""Runs a pipeline in forked children that kill themselves at a record; a program of its own, so that it may fork.

``python -m tests.fakes.killed ROOT NOTES WHEN VERDICT`` tries every record in turn and prints one JSON line for each:
how the first child ended, how the resumed one did, the tree's files, how many requests had been sent and how many
answers were in the record when it was killed, whether one more had arrived whole, and how many were asked for twice.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from tests.fakes.pipeline import Order, contents, python, run, seat

EDITS = {
    "a.py": "a.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return 9\n>>>>>>> REPLACE\n",
    "mended": "a.py\n<<<<<<< SEARCH\n    return 9\n=======\n    return 2\n>>>>>>> REPLACE\n",
    "new/b.py": "new/b.py\n<<<<<<< SEARCH\n=======\nB = 3\n>>>>>>> REPLACE\n",
}
PLAN = """\
# Plan: two

## Files
- `a.py` (edit)
- `new/b.py` (create)

## Steps
1. `a.py`: Return two.
2. `new/b.py`: Make it.

## Checks
- tests
"""
CHECK = "import sys; sys.exit(0 if 'return 2' in open('a.py').read() and {} else 'a.py is wrong')"
KILL = """
import os, signal
led = open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()
os.kill(int(led[1]), signal.SIGKILL)  # who started the leash that this check runs on
signal.pause()
"""


class Fatal:
    """Records that kill the process *when* (before or after) the change number *at*; *pieces* of answers count, too."""

    def __init__(self, records, at, when, *, pieces):
        self._records, self._left, self._when, self._pieces = records, at, when, pieces

    def __getattr__(self, name):
        return getattr(self._records, name)

    def append(self, name, data, **how):
        if name == "arriving.sse" and not self._pieces:
            self._records.append(name, data, **how)
            return
        self._cut(self._records.append, name, data, **how)

    def write(self, name, data):
        self._cut(self._records.write, name, data)

    def _cut(self, change, name, data, **how):
        self._left -= 1
        if self._left == 0 and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        change(name, data, **how)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def noted(notes, role, answer):
    """A seat whose requests are noted outside the tree."""

    def script(request):
        text = request["messages"][-1]["content"]
        with (notes / "asked").open("a") as file:
            file.write(json.dumps([role, text]) + "\n")
        return answer(text)

    return seat(script)


def editor(text):
    if "Mend it." in text:
        return EDITS["mended"]
    return EDITS["a.py" if "Your step now: a.py" in text else "new/b.py"]


def attempt(root, notes, check, *, name=None, at=0, when="after", pieces=False):
    """Drive the run in a child; its status as ``os.waitstatus_to_exitcode`` has it: 0 done, 1 failed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seats = {
        "architect": noted(notes, "architect", lambda _: PLAN),
        "thinking": noted(notes, "thinking", lambda _: '{"verdict": "go", "objections": []}'),
        "editor": noted(notes, "editor", editor),
    }
    order = Order("a.py returns two", checks={"tests": python(check)}, thinking=True)
    found = run(root, seats, order, name=name, wrap=lambda records: Fatal(records, at, when, pieces=pieces))
    os._exit(0 if found.status == "done" else 1)


def on_the_disk(folder, notes):
    """What a killed run had sent, and what it knew of the answers."""
    asked, answers, arriving = notes / "asked", folder / "answers.jsonl", folder / "arriving.sse"
    lines = answers.read_text().splitlines() if answers.exists() else []
    return {
        "sent": len(asked.read_text().splitlines()) if asked.exists() else 0,
        "recorded": sum('"what": "ask"' in line for line in lines),
        "arrived": arriving.exists() and b'"finish_reason": "stop"' in arriving.read_bytes(),
    }


def cuts(root, notes, when, check, *, pieces):
    """One finding for each record at which the run was killed; *when* ``check``: by its own check instead."""
    for at in range(1, 2 if when == "check" else 100):
        before = contents(root)
        at_once = when == "check"
        first = attempt(root, notes, KILL if at_once else check, at=0 if at_once else at, when=when, pieces=pieces)
        name = next((root / ".aidx" / "runs").iterdir()).name
        if first >= 0:
            return
        middle = contents(root)["a.py"].decode()
        at_the_kill = on_the_disk(root / ".aidx" / "runs" / name, notes)
        second = attempt(root, notes, check, name=name)
        asked = (notes / "asked").read_text().splitlines()
        files = {path: data and data.decode() for path, data in contents(root).items()}
        twice = len(asked) - len(set(asked))
        yield {"killed": first, "middle": middle, "resumed": second, "files": files, "twice": twice, **at_the_kill}
        for path in (root / ".aidx", root / "new"):
            shutil.rmtree(path, ignore_errors=True)
        (root / "a.py").write_bytes(before["a.py"])
        (notes / "asked").unlink()


if __name__ == "__main__":
    place, beside, moment, verdict = sys.argv[1:]
    good = verdict == "good"
    for finding in cuts(Path(place), Path(beside), moment, CHECK.format(good), pieces=good):
        print(json.dumps(finding), flush=True)
