"""What `benchmarks/gateway/survive.py` shows at length: an engine killed under load, a cache that is always full."""

import json
import subprocess
import sys
from pathlib import Path

SURVIVE = Path(__file__).parents[2] / "benchmarks" / "gateway" / "survive.py"


def test_kills_and_a_full_cache_lose_no_answer_and_leave_nothing():
    run = subprocess.run(
        [sys.executable, str(SURVIVE), "--kills", "4", "--minutes", "0.5"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    killed, full = map(json.loads, run.stdout.splitlines())

    assert killed["left"] == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}
    assert killed["outcomes"].keys() <= {"200", "429", "502", "503", "error event"}
    assert full["outcomes"].keys() == {"200"}
    assert full["share_of_time_full"] > 0.8
