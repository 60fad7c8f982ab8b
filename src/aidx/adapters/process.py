"""Child processes that cannot outlive us.

A child is tied to its parent three ways: it stands in its own process group (so that a whole tree can be
ended at once, and Ctrl-C reaches only us), it asks the kernel to be killed when the parent dies (``tether``),
and a child that reads requests ends when its standard input does.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from aidx.adapters.tether import PARENT, die_with_parent

__all__ = ["die_with_parent", "spawn", "stop"]

NEW_PROCESS_GROUP = 0x200  # CREATE_NEW_PROCESS_GROUP of winbase.h
WINDOWS = sys.platform == "win32"

Stream = int | IO[bytes] | None


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start *argv* in a process group of its own and tell it who its parent is.

    *env* replaces the environment (``None``: ours), streams are those of ``subprocess.Popen``; ``None``
    inherits ours; *pass_fds* are open files that it inherits too. Start long-lived children from a thread that
    lives as long, the main one: a child that called ``die_with_parent`` dies with the thread that started it.
    Raises ``OSError`` when the program cannot be started.
    """
    return subprocess.Popen(
        list(argv),
        env={**(os.environ if env is None else env), PARENT: str(os.getpid())},
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        process_group=None if WINDOWS else 0,
        creationflags=NEW_PROCESS_GROUP if WINDOWS else 0,
    )


def stop(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """End *process* and its group, asked nicely first, killed after *grace_s* seconds; reap it.

    Returns the exit status as ``Popen.returncode`` has it. A process that was reaped before is left alone,
    since its number may belong to another one by now.
    """
    if process.returncode is None:
        if grace_s > 0:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace_s)
        _signal(process, None)
    return process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals | None) -> None:
    """Send *number* to the group; ``None`` kills what is left of it."""
    if sys.platform == "win32":
        (process.kill if number is None else process.terminate)()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL if number is None else number)
