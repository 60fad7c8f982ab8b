"""Checks: no shell, bounded output, nothing left running, keys withheld."""

import os
import select
import signal
import subprocess
import sys
import time

import psutil
import pytest

from aidx.adapters.checks import ProcessChecker
from aidx.adapters.command import KEPT
from aidx.errors import EngineError


def python(code):
    return (sys.executable, "-c", code)


def test_status_and_output_come_back_together(tmp_path):
    ran = ProcessChecker(str(tmp_path)).run(
        python("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)")
    )

    assert (ran.status, ran.output) == (3, "out\nerr\n")


def test_there_is_no_shell(tmp_path):
    ran = ProcessChecker(str(tmp_path)).run((*python("import sys; print(sys.argv[1:])"), "; touch x", "$HOME", "*"))

    assert ran.output == "['; touch x', '$HOME', '*']\n"
    assert list(tmp_path.iterdir()) == []


def test_it_runs_in_the_root_without_input(tmp_path):
    ran = ProcessChecker(str(tmp_path)).run(python("import os, sys; print(os.getcwd(), repr(sys.stdin.read()))"))

    assert ran.output == f"{tmp_path} ''\n"


def test_keys_are_withheld(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "secret")
    monkeypatch.setenv("OTHER", "plain")

    ran = ProcessChecker(str(tmp_path), {"SOME_KEY"}).run(
        python("import os; print(os.environ.get('SOME_KEY'), os.environ['OTHER'])")
    )

    assert ran.output == "None plain\n"


def test_a_check_that_never_ends_is_ended_with_all_that_it_started(tmp_path):
    code = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(child.pid, flush=True)\nchild.wait()\n"
    )

    ran = ProcessChecker(str(tmp_path), timeout_s=1.0).run(python(code))

    assert ran.status is None
    assert _gone(int(ran.output))


def test_what_a_check_leaves_running_is_ended_and_does_not_hold_it_up(tmp_path):
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\nprint(child.pid)\n"
    )

    ran = ProcessChecker(str(tmp_path), timeout_s=20).run(python(code))

    assert ran.status == 0
    assert _gone(int(ran.output))


def _gone(pid):
    """Whether the process ends at once: a signal takes a moment to arrive."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


def test_of_a_long_output_both_ends_are_kept(tmp_path):
    ran = ProcessChecker(str(tmp_path)).run(python("print('first'); print('x' * 1_000_000); print('last')"))

    assert ran.output.startswith("first\n")
    assert ran.output.endswith("last\n")
    assert "bytes left out" in ran.output
    assert len(ran.output) < 2 * KEPT + 100


def test_output_that_is_no_text_is_no_problem(tmp_path):
    ran = ProcessChecker(str(tmp_path)).run(python("import os; os.write(1, bytes(range(256)))"))

    assert ran.status == 0
    assert "\ufffd" in ran.output


def test_a_signal_is_a_negative_status(tmp_path):
    ran = ProcessChecker(str(tmp_path)).run(python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))

    assert ran.status == -11


def test_a_check_sees_the_environment_as_it_is_and_the_signals_too(tmp_path, monkeypatch):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    ran = ProcessChecker(str(tmp_path)).run(("sh", "-c", "echo ${LC_CTYPE-none}; grep SigIgn /proc/self/status"))

    locale, ignored = ran.output.splitlines()
    assert locale == "none"
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not int(ignored.split()[1], 16) >> (number - 1) & 1


def test_what_a_check_writes_to_its_own_files_is_not_taken_for_its_end(tmp_path):
    code = (
        "import contextlib, os\nfor fd in range(3, 20):\n"
        "    with contextlib.suppress(OSError):\n        os.write(fd, b's0')\nos._exit(4)"
    )

    assert ProcessChecker(str(tmp_path)).run(python(code)).status == 4


def test_whoever_runs_a_check_is_killed_and_the_check_ends_with_all_that_it_started(tmp_path):
    check = "import os, subprocess, time; subprocess.Popen(['sleep', '60']); print(os.getpid()); time.sleep(60)"
    code = (
        "import sys\nfrom aidx.adapters.checks import ProcessChecker\n"
        f"ProcessChecker({str(tmp_path)!r}).run((sys.executable, '-c', {check!r}))\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", code])
    tree = psutil.Process(runner.pid)
    below = []
    while not any(one.name() == "sleep" for one in below):
        time.sleep(0.01)
        below = tree.children(recursive=True)
    runner.kill()
    runner.wait()

    assert len(below) == 3
    assert all(_gone(one.pid) for one in below)


@pytest.mark.skipif(os.getuid() == 0, reason="root may start anything that is executable")
def test_a_file_that_may_not_be_run_is_no_finding(tmp_path):
    (tmp_path / "check").write_text("#!/bin/sh\n")

    with pytest.raises(EngineError, match="cannot be started"):
        ProcessChecker(str(tmp_path)).run((str(tmp_path / "check"),))


def test_a_program_that_is_not_there_is_no_finding(tmp_path):
    with pytest.raises(EngineError, match="no-such-program cannot be started: No such file"):
        ProcessChecker(str(tmp_path)).run(("no-such-program",))
