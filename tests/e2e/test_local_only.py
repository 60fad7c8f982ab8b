"""``local_only`` where no other machine can be reached: a network namespace in which every address leads back to it.

Each packet for another address than loopback's is counted, be it from Python, the event loop's C or the engine's C++.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.running import AIDX

ROLES = """
[device]
vram = ["0"]
[roles.editor]
model = "aidx-tiny"
ctx_size = 512
[roles.drafter]
model = "aidx-tiny"
ctx_size = 512
[roles.verifier]
model = "aidx-tiny"
ctx_size = 512
[roles.architect]
model = "large"
engine = "openai"
url = "http://192.0.2.1/v1"
ctx_size = 8192
[cascade]
escalate = "architect"
"""
ALONE = ["unshare", "--map-root-user", "--net", "sh", "-c"]
UP = 'ip link set lo up && ip route add local default dev lo && exec "$@"'
# Runs what it is told and says how many packets were for other machines.
COUNTED = """
import json, socket, subprocess, sys, threading
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # of every protocol
wire.settimeout(0.5)
others, over = [], threading.Event()
def count():
    while True:
        try:
            packet = wire.recv(64)
        except TimeoutError:
            if over.is_set():
                return
            continue
        if packet[0] >> 4 == 4 and packet[16] != 127:
            others.append(socket.inet_ntoa(packet[16:20]))
reading = threading.Thread(target=count)
reading.start()
ended = [subprocess.run(argv, capture_output=True, text=True, timeout=100) for argv in json.loads(sys.argv[1])]
over.set()
reading.join()
print(json.dumps({"others": others, "ended": [[one.returncode, one.stdout, one.stderr] for one in ended]}))
"""
CONNECT = [sys.executable, "-c", "import socket; socket.socket().connect(('192.0.2.1', 80))"]
SERVED = """
import sys
sys.path.insert(0, {root!r})
from tests.endpoint import CHAT, Endpoint, messages
running = Endpoint(model=())
try:
    for model in ("cascade", "auto", "architect"):
        asked = messages("Design the architecture and plan the migration")
        print(model, running.call(CHAT, {{"model": model, "messages": asked, "max_tokens": 4}})[0])
finally:
    running.stop()
"""


def alone(folder, *commands):
    """What became of *commands* in *folder*, and which other machines anything was sent to."""
    argv = [*ALONE, UP, "sh", sys.executable, "-c", COUNTED, json.dumps(commands)]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # the guard of all tests is off
    done = subprocess.run(argv, cwd=folder, env=own, capture_output=True, text=True, timeout=200, check=False)
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("this machine allows no network namespace")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "aidx.toml").write_text(f"{ROLES}[route]\nlocal_only = true\n")
    return tmp_path


def test_what_is_sent_elsewhere_is_seen(tmp_path):
    assert "192.0.2.1" in alone(tmp_path, CONNECT)["others"]


def test_without_it_the_architect_is_tried(tmp_path):
    (tmp_path / "aidx.toml").write_text(ROLES)
    found = alone(tmp_path, [*AIDX, "ask", "x", "--url", "", "--role", "architect", "--max-tokens", "4"])
    assert "192.0.2.1" in found["others"]


def test_with_it_nothing_that_is_asked_leaves_the_machine(folder):
    found = alone(
        folder,
        [*AIDX, "ask", "x", "--url", "", "--pattern", "cascade", "--max-tokens", "4"],
        [*AIDX, "ask", "x", "--url", "", "--role", "architect", "--max-tokens", "4"],
        [sys.executable, "-c", SERVED.format(root=str(Path(__file__).parents[2]))],
    )
    codes = [code for code, _, _ in found["ended"]]
    assert codes == [5, 2, 0], found
    assert found["ended"][1][2].startswith("aidx: local_only, and architect is on another machine")
    served = dict(line.split() for line in found["ended"][2][1].splitlines())
    assert served == {"cascade": "422", "auto": "200", "architect": "404"}
    assert found["others"] == []


def test_with_it_a_run_is_planned_by_a_cascade_and_nothing_leaves_the_machine(tmp_path):
    models = "".join(
        f'[roles.{role}]\nmodel = "aidx-tiny"\nctx_size = 1024\nmax_tokens = 48\n' for role in ("drafter", "verifier")
    )
    told = f'{models}[roles.architect]\npattern = "cascade"\n[route]\nlocal_only = true\n'
    (tmp_path / "aidx.toml").write_text(told)
    (tmp_path / "rows.py").write_text("def first(rows):\n    return rows[0]\n")

    found = alone(tmp_path, [*AIDX, "run", "let first take a limit", "--json"])

    ((code, out, _),) = found["ended"]
    assert code == 5, found
    assert [request["role"] for request in json.loads(out)["requests"]] == ["drafter", "drafter", "verifier"]
    assert found["others"] == []
