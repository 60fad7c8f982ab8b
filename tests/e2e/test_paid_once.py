"""A service that is paid by the request: the run is killed while its answer arrives, and goes on."""

import json
import os
import signal
import subprocess
import time

import pytest
from tests.fakes.upstream import events, say, upstream
from tests.running import AIDX, ended

PLAN = """# Plan: two

## Files
- `a.py` (edit)

## Steps
1. `a.py`: Return two.
"""
PIECES = ("a.py\n<<<<<<< SEARCH\n    return 1\n", "=======\n    return 2\n>>>>>>> REPLACE\n")
USAGE = {"prompt_tokens": 99, "completion_tokens": 7, "total_tokens": 106}


def event(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def says(text, why=None):
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": why}])


STREAM = (*map(says, PIECES), says("", "stop"), event(choices=[], usage=USAGE), b"data: [DONE]\n\n")


class Service:
    """Streams the answer; the first time it kills who asked, once the *cut*-th piece is in the run's record."""

    def __init__(self, root, cut):
        self.root, self.cut, self.victim = root, cut, None

    def __call__(self, _):
        return events(*STREAM) if self.victim is None else events_of(self._cut_off())

    def _cut_off(self):
        victim, self.victim = self.victim, None
        for number, piece in enumerate(STREAM[: self.cut], start=1):
            yield piece
            self._wait(number)
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()

    def _wait(self, number):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            (kept,) = self.root.glob(".aidx/runs/*/arriving.sse")
            if kept.read_bytes().count(b"data: ") >= number:
                return
            time.sleep(0.01)
        raise AssertionError(f"piece {number} did not reach the record")


def events_of(pieces):
    found = events()
    found.body = pieces
    return found


@pytest.mark.parametrize(("cut", "requests"), [(0, 2), (1, 2), (2, 2), (3, 1), (4, 1), (5, 1)], ids=str)
def test_an_answer_that_came_whole_is_not_paid_for_again(tmp_path, cut, requests):
    (tmp_path / "a.py").write_text("def f():\n    return 1\n")
    (tmp_path / "plan.md").write_text(PLAN)
    service = Service(tmp_path, cut)
    routes = {("GET", "/v1/models"): lambda _: say({"data": [{"id": "m"}]}), ("POST", "/v1/chat/completions"): service}
    with upstream(routes) as paid:
        (tmp_path / "aidx.toml").write_text(
            f'[roles.editor]\nmodel = "m"\nengine = "openai"\nurl = "{paid.url}"\nctx_size = 4096\n'
        )
        first = subprocess.Popen([*AIDX, "run", "--plan", "plan.md", "--yes"], cwd=tmp_path, stderr=subprocess.PIPE)
        service.victim = first
        _, err = first.communicate(timeout=60)
        assert first.returncode == -signal.SIGKILL, err
        (folder,) = tmp_path.glob(".aidx/runs/*")
        again = ended("run", "--resume", folder.name, "--json", folder=tmp_path)
        asked = len(paid.asked("/v1/chat/completions"))

    assert again.returncode == 0, again.stderr
    assert asked == requests
    if cut < 5:  # after its end the answer may stand in the run's record already: then nothing is said
        assert ("answer had come before" in again.stderr) == (requests == 1)
    assert (tmp_path / "a.py").read_text() == "def f():\n    return 2\n"
    (request,) = json.loads(again.stdout)["requests"]
    assert request["completion_tokens"] == (0 if cut == 3 else 7)  # the third piece ends the text, the fourth counts it
