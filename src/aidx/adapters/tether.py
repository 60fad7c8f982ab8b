"""Tie this process to the one that started it; imports next to nothing, since a child's start-up counts."""

import os
import sys

PARENT = "AIDX_PARENT_PID"  # environment of a child: who started it
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
SIGKILL = 9


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies; exit at once if it is dead already.

    For a child started by ``process.spawn``, as its first act (``preexec_fn`` may deadlock in a parent with
    threads); lasts over ``exec``. The kernel watches the *thread* that started the child. Only Linux can do
    it: elsewhere this is nothing, and the end of standard input must be watched.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    parent = os.environ.get(PARENT)
    # The parent may have died before the call above; then nobody is left to read an exit status.
    if parent is not None and parent != str(os.getppid()):
        os._exit(1)
