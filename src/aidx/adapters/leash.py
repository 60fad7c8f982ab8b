"""Runs a command, and ends all of it when it has ended, or when who holds the other end of a socket is gone.

``python -I -S leash.py FD KEEP ARGV`` leads a process group. On the socket FD it says ``s`` and the command's exit
status (negative: the signal that ended it), or ``e`` and the error number where it cannot be started. KEEP is ``1``
where the environment has an LC_CTYPE of its own; otherwise the one is taken out that the interpreter puts there.

A process of the command's may leave the group (``setsid``) and outlive its parents. On Linux it becomes a child of this
one then (``PR_SET_CHILD_SUBREAPER``), and is found among its children's children in /proc; elsewhere it is not found.

Imports what the interpreter has loaded already: its start is waited for before each check.
"""

import _signal  # type: ignore[import-not-found]  # signal itself takes 5 ms to import
import _thread
import os
import sys

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
LOOKS = 200  # what is killed may have started another meanwhile


def adopt() -> None:
    """Become the parent of what loses its own, where the kernel can do that."""
    try:
        import _ctypes  # ctypes itself takes 5 ms to import

        _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen("", 2), "prctl"), (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except (ImportError, AttributeError, OSError):
        return  # the group is all that is led


def below() -> list[int]:
    """The processes that come from this one and live."""
    children: dict[int, list[tuple[int, bool]]] = {}
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - pathlib is not loaded
    except OSError:
        return []
    for name in names:
        if name.isdigit() and (told := _stat(name)) is not None:
            children.setdefault(told[0], []).append((int(name), told[1]))
    found, left = [], [os.getpid()]
    while left:
        for pid, lives in children.get(left.pop(), ()):
            left.append(pid)
            if lives:
                found.append(pid)
    return found


def _stat(name: str) -> tuple[int, bool] | None:
    """Its parent, and whether it lives; see proc_pid_stat(5)."""
    try:
        with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return int(parent), state not in {b"Z", b"X"}


def end_rest() -> None:
    """Kill whatever comes from this process, in a group of its own or not."""
    for _ in range(LOOKS):
        found = below()
        if not found:
            return
        for pid in found:
            try:
                os.kill(pid, _signal.SIGKILL)
            except OSError:  # it went by itself
                continue
        os.sched_yield()


def reap() -> None:
    """Let the adopted ones go that have ended: where a container's first process does not, they would stay."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def end_with(fd: int) -> None:
    """Kill all of it, this process too, when nobody writes to the other end of *fd* any more."""
    os.read(fd, 1)
    end_rest()
    os.killpg(0, _signal.SIGKILL)


def main() -> None:
    """Start the command, wait for it, and say how it ended."""
    fd, keep, argv = int(sys.argv[1]), sys.argv[2] == "1", sys.argv[3:]
    os.set_inheritable(fd, False)  # noqa: FBT003 - it takes no names
    if not keep:
        os.environ.pop("LC_CTYPE", None)
    adopt()
    ignored = (_signal.SIGPIPE, _signal.SIGXFSZ)  # by this interpreter, which is no business of the command
    try:
        child = os.posix_spawnp(argv[0], argv, os.environ, setsigdef=ignored)
    except OSError as error:
        os.write(fd, b"e%d" % (error.errno or 0))
        return
    _thread.start_new_thread(end_with, (fd,))
    _, status = os.waitpid(child, 0)
    end_rest()
    reap()
    os.write(fd, b"s%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


if __name__ == "__main__":
    main()
