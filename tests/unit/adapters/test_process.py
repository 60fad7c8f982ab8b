"""Children end with their parent, in their own group, with their whole tree."""

import os
import signal
import subprocess
import sys
from select import select

import pytest

from aidx.adapters.process import die_with_parent, spawn, stop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and groups")

WAIT = "import sys, signal; print('up', flush=True); sys.stdin.read()"
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
signal.pause()
"""
TREE = """
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""
TIED = """
import signal
from aidx.adapters.process import die_with_parent
die_with_parent()
print('up', flush=True)
signal.pause()
"""
PARENT = f"""
import subprocess, sys
from aidx.adapters.process import spawn
child = spawn([sys.executable, "-c", {TIED!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def start(code: str) -> "subprocess.Popen[bytes]":
    return spawn([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def first_line(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def ended(pidfd: int) -> bool:
    """Whether the process behind *pidfd* ends within ten seconds."""
    readable, _, _ = select([pidfd], [], [], 10)
    os.close(pidfd)
    return bool(readable)


def close(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


def test_a_child_has_its_own_group_and_knows_its_parent():
    child = start("import os; print(os.getpgrp() == os.getpid(), os.environ['AIDX_PARENT_PID'])")
    line = first_line(child)
    child.wait()
    close(child)

    assert line == f"True {os.getpid()}"


def test_stop_asks_first():
    child = start(WAIT)
    first_line(child)

    assert stop(child, 10) == -signal.SIGTERM
    close(child)


def test_stop_kills_what_does_not_listen():
    child = start(STUBBORN)
    first_line(child)

    assert stop(child, 0.05) == -signal.SIGKILL
    close(child)


def test_stop_without_grace_kills_at_once():
    child = start(WAIT)
    first_line(child)

    assert stop(child, 0) == -signal.SIGKILL
    close(child)


def test_stop_leaves_a_reaped_process_alone():
    child = start("pass")
    child.wait()

    assert stop(child, 5) == 0
    close(child)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd to watch a grandchild")
def test_stop_ends_the_whole_tree():
    child = start(TREE)
    grandchild = os.pidfd_open(int(first_line(child)))
    stop(child, 5)

    assert ended(grandchild)
    close(child)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has PR_SET_PDEATHSIG")
def test_a_child_dies_with_a_killed_parent():
    parent = start(PARENT)
    child = os.pidfd_open(int(first_line(parent)))
    parent.kill()
    parent.wait()

    assert ended(child)
    close(parent)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has PR_SET_PDEATHSIG")
def test_a_child_whose_parent_is_gone_exits_at_once():
    code = "from aidx.adapters.process import die_with_parent; die_with_parent(); print('alive')"
    child = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "AIDX_PARENT_PID": "1"},
        capture_output=True,
        check=False,
    )

    assert (child.returncode, child.stdout) == (1, b"")


def test_nothing_happens_without_a_named_parent(monkeypatch):
    monkeypatch.delenv("AIDX_PARENT_PID", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")

    die_with_parent()
