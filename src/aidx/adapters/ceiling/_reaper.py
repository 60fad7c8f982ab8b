"""Removes a control group whose maker was killed: a shell at the end of a pipe that closes when its maker ends."""

import subprocess
from contextlib import suppress
from pathlib import Path

from aidx.adapters.process import spawn, stop

# It outlives its maker by as long as the kernel needs to end the engine, at most five seconds, and never an interrupt.
WAIT = """
trap '' HUP INT TERM
read -r _
n=0
while [ -d "$0" ] && [ $n -lt 100 ]; do
    while read -r pid; do kill -9 "$pid"; done < "$0/cgroup.procs"
    rmdir "$0" && exit
    sleep 0.05
    n=$((n + 1))
done 2> /dev/null
"""


class Reaper:
    """One for the group at *folder*; without a shell there is none, and the next run removes what was left."""

    def __init__(self, folder: Path) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        with suppress(OSError):
            quiet = subprocess.DEVNULL
            argv = ("/bin/sh", "-c", WAIT, str(folder))
            self._shell = spawn(argv, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)

    def close(self) -> None:
        """End it: its maker has removed the folder."""
        if self._shell is not None and self._shell.stdin is not None:
            stop(self._shell, grace_s=0)
            self._shell.stdin.close()
            self._shell = None
