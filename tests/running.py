"""The command as a user runs it: in a process of its own, to its end."""

import os
import subprocess
import sys
from typing import NamedTuple

AIDX = (sys.executable, "-m", "aidx")


class Ended(NamedTuple):
    """How it ended: its exit code, and all that it wrote."""

    returncode: int
    stdout: str
    stderr: str


def ended(*words, folder=None, text=None, timeout=240, under=(), **environment):
    """Run it with *words* in *folder*; nothing stands on its standard input without *text*.

    *environment* is laid over our own, without those that are ``None``. *under* is a command that ours is appended to.
    A traceback is never how it may end.
    """
    given = {"stdin": subprocess.DEVNULL} if text is None else {"input": text.encode()}
    variables = {name: str(value) for name, value in {**os.environ, **environment}.items() if value is not None}
    command = [*under, *AIDX, *map(str, words)]
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, timeout=timeout, check=False, **given
    )
    found = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in found.stderr, found.stderr
    return found


def aidx(*words, code=0, **how):
    """The same, where it must end with *code*."""
    found = ended(*words, **how)
    assert found.returncode == code, found
    return found
