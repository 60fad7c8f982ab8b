"""Two models that do not hold together: refused, or loaded in turns, with real engines and what they really take."""

import json
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from tests.endpoint import CHAT, Endpoint, messages
from tests.running import aidx

CONFIG = """
[device]
vram = "0"
host_ram = "{ram}"

[roles.editor]
model = "aidx-tiny"
ctx_size = 1024

[roles.drafter]
model = "aidx-tiny"
ctx_size = 768
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A machine with room for one and a half of them."""
    made = tmp_path_factory.mktemp("swap")
    (made / "aidx.toml").write_text(CONFIG.format(ram="64GiB"), "utf-8")
    whole = json.loads(aidx("plan", "--json", folder=made, code=0).stdout)["devices"][-1]
    used = whole["total_bytes"] - whole["usable_bytes"]
    (made / "aidx.toml").write_text(CONFIG.format(ram=str(used + whole["planned_bytes"] * 3 // 4)), "utf-8")
    return made


def test_without_swap_it_is_refused_at_the_start_and_says_what_helps(folder):
    done = aidx("serve", "--port", "0", folder=folder, code=3)

    assert "does not fit" in done.stderr
    assert done.stdout == ""


def test_with_swap_each_is_loaded_when_it_is_asked_for(folder):
    running = Endpoint("--swap", model=(), folder=folder)
    try:

        def loaded():
            device = running.call("/plan")[2]["plan"]["devices"][-1]
            assert device["headroom_bytes"] >= 0
            assert len(psutil.Process(running.process.pid).children()) == 1
            return {entry["role"] for entry in device["entries"]} - {None}

        def ask(role):
            fields = {"model": role, "messages": messages(), "max_tokens": 4}
            return running.call(CHAT, fields)

        assert loaded() == {"editor"}
        assert running.call("/ready")[2] == {"status": "ready", "roles": {"editor": "ready", "drafter": "asleep"}}
        status, headers, _ = ask("drafter")
        assert (status, headers["x-aidx-role"]) == (200, "drafter")
        assert loaded() == {"drafter"}
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(ask, ["editor", "drafter"] * 3))
        assert [status for status, _, _ in found] == [200] * 6
        assert running.reserved == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}
    finally:
        assert running.stop() == 0
