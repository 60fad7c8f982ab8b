"""Runs a command, and ends all of it when the process that holds the other end of a socket is gone.

``python -I -S leash.py FD KEEP ARGV`` leads a process group. On the socket FD it says ``s`` and the command's exit
status (negative: the signal that ended it), or ``e`` and the error number where it cannot be started. KEEP is ``1``
where the environment has an LC_CTYPE of its own; otherwise the one is taken out that the interpreter puts there.

Imports what the interpreter has loaded already: its start is waited for before each check.
"""

import _signal  # type: ignore[import-not-found]  # signal itself takes 5 ms to import
import _thread
import os
import sys


def end_with(fd: int) -> None:
    """Kill the whole group, this process too, when nobody holds the other end of *fd* any more."""
    os.read(fd, 1)
    os.killpg(0, _signal.SIGKILL)


def main() -> None:
    """Start the command, wait for it, and say how it ended."""
    fd, keep, argv = int(sys.argv[1]), sys.argv[2] == "1", sys.argv[3:]
    os.set_inheritable(fd, False)  # noqa: FBT003 - it takes no names
    if not keep:
        os.environ.pop("LC_CTYPE", None)
    ignored = (_signal.SIGPIPE, _signal.SIGXFSZ)  # by this interpreter, which is no business of the command
    try:
        child = os.posix_spawnp(argv[0], argv, os.environ, setsigdef=ignored)
    except OSError as error:
        os.write(fd, b"e%d" % (error.errno or 0))
        return
    _thread.start_new_thread(end_with, (fd,))
    _, status = os.waitpid(child, 0)
    os.write(fd, b"s%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


if __name__ == "__main__":
    main()
