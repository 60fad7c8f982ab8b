"""What a command imports before it answers: counted, because how long that takes depends on the machine."""

import os
import re
import subprocess
import sys

HEAVY = {
    *("asyncio", "concurrent", "ctypes", "dataclasses", "email", "http", "logging", "multiprocessing", "psutil"),
    *("socket", "ssl", "subprocess", "tempfile", "uvicorn", "xllamacpp"),
}
MOST = 105  # of our own modules; each takes a quarter of a millisecond, so a new one on this road is a decision


def imported(tmp_path, *arguments):
    places = {"AIDX_STATE_DIR": str(tmp_path / "state"), "AIDX_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-X", "importtime", "-m", "aidx", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, **places}
    )
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE))


def test_a_fast_plan_imports_nothing_that_it_does_not_need(tmp_path):
    found = imported(tmp_path, "plan", "aidx-tiny", "--vram", "12GiB", "--fast", "--json")
    own = {name for name in found if name.split(".")[0] == "aidx"}

    assert {"aidx.budget.allocate", "aidx.plan.make", "aidx.model.gguf.reader"} <= own
    assert {name for name in found if name.split(".")[0] in HEAVY} == set()
    assert len(own) <= MOST, sorted(own)


def test_who_asks_the_engine_pays_for_a_child_and_not_for_the_engine(tmp_path):
    found = imported(tmp_path, "plan", "aidx-tiny", "--vram", "12GiB", "--json")

    assert "subprocess" in found
    assert {name for name in found if name.split(".")[0] in HEAVY - {"subprocess"}} == set()
