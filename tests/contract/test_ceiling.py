"""Every ceiling that this machine can make behaves the same: it holds a process down, and is gone afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.endpoint import until

from aidx.adapters.ceiling.find import find, mechanisms
from aidx.adapters.sampling.tree import TreeSampler

MIB = 1 << 20
SIZE = 96 * MIB
HOLD = """
import sys
kept = b"x" * (int(sys.argv[1]) << 20)
print("holding", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="aidx knows no ceiling elsewhere")


@pytest.fixture(params=mechanisms(), ids=lambda module: module.KIND)
def ceiling(request):
    made = request.param.make(SIZE)
    if isinstance(made, str):
        assert made
        pytest.skip(made)
    yield made
    made.close()


def run(ceiling, mib):
    return subprocess.Popen(
        [*ceiling.under, sys.executable, "-c", HOLD, str(mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_it_says_what_it_is(ceiling):
    assert ceiling.size == SIZE
    assert ceiling.kind in {"cgroup1", "cgroup2", "systemd", "job"}
    assert ceiling.processes() == ()
    assert ceiling.kills() == 0


def test_who_stays_below_it_lives_and_is_seen(ceiling):
    with run(ceiling, 40) as process:
        assert process.stdout.readline() == b"holding\n"
        assert ceiling.holds(process.pid)
        assert ceiling.processes() == (process.pid,)
        assert TreeSampler(ceiling.processes).read().resident > 40 * MIB
        process.stdin.close()
        assert process.wait(30) == 0
    assert ceiling.kills() == 0


def test_who_goes_over_it_is_killed_and_counted(ceiling):
    with run(ceiling, 200) as process:
        process.stdin.close()
        assert process.wait(30) == -9
        assert process.stdout.read() == b""
    if ceiling.kind != "systemd":  # its group is gone with the process: the signal says it
        assert ceiling.kills() == 1


def test_it_does_not_hold_who_is_elsewhere(ceiling):
    with subprocess.Popen([sys.executable, "-c", HOLD, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert not ceiling.holds(other.pid)
        other.stdin.close()


def test_closing_ends_what_is_left_and_may_be_done_twice(ceiling):
    with run(ceiling, 20) as process:
        process.stdout.readline()
        ceiling.holds(process.pid)
        ceiling.close()
        assert process.wait(30) == -9
    ceiling.close()
    assert ceiling.processes() == ()


def test_where_there_is_none_every_mechanism_says_why(monkeypatch):
    for module in mechanisms():
        monkeypatch.setattr(module, "make", lambda size, name=module.KIND: f"no {name} for {size}")

    assert find(7) == "; ".join(f"no {module.KIND} for 7" for module in mechanisms())


def test_elsewhere_there_is_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")

    assert "rlimit" in find(7)


MAKE = """
import subprocess, sys
from aidx.adapters.ceiling.find import find
made = find(96 << 20)
held = subprocess.Popen([*made.under, sys.executable, "-c", "print(1, flush=True); input()"], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE)
held.stdout.readline()
print(made.folder, held.pid, flush=True)
sys.stdin.read()
"""


def test_one_whose_maker_is_killed_goes_with_it(ceiling):
    if ceiling.kind == "systemd":
        pytest.skip("systemd removes its own")
    with subprocess.Popen([sys.executable, "-c", MAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as maker:
        folder, held = maker.stdout.readline().decode().split()
        assert held in (Path(folder) / "cgroup.procs").read_text().split()
        maker.kill()
    until(lambda: not Path(folder).exists())  # which cannot be removed while a process is in it
