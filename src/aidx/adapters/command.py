"""Runs a command to its end: no shell, a process group of its own, a time limit, a bounded output.

It is led by ``leash``, which ends all of it when this process is gone, however it went.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

from aidx.adapters import leash
from aidx.ports.programs import Ran

KEPT = 32 << 10  # bytes of output from each end
LEASH = leash.__file__
_GRACE_S = 5.0  # for the leash to find and end what left its group
_LOOK_S = 0.1  # how often it is looked whether the command itself has ended while others hold its output


def run(
    argv: tuple[str, ...], folder: str, environment: Mapping[str, str], timeout_s: float, stdin: IO[bytes] | None = None
) -> Ran:
    """What became of *argv* in *folder*; nothing of it goes on running.

    Without *stdin* it has no input. Raises ``OSError`` where it cannot be started.
    """
    mine, its = socket.socketpair()
    with mine:
        with its:
            process = _led(argv, folder, environment, stdin, its.fileno())
        assert process.stdout is not None
        kept = _Kept()
        try:
            ended = _follow(process, process.stdout, kept, time.monotonic() + timeout_s)
        finally:  # whatever happens, nothing of it goes on running
            status = _end(process, mine)
            process.stdout.close()
        told = mine.recv(32)  # the other end is closed: who held it has ended
    if told.startswith(b"e"):
        raise OSError(int(told[1:]), os.strerror(int(told[1:])))
    return Ran((int(told[1:]) if told else status) if ended else None, kept.text())


def _end(process: subprocess.Popen[bytes], mine: socket.socket) -> int:
    """Let the leash end all that it led; kill its group where it is kept from that."""
    try:
        with suppress(OSError):
            mine.shutdown(socket.SHUT_WR)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    return status


def _led(
    argv: tuple[str, ...], folder: str, environment: Mapping[str, str], stdin: IO[bytes] | None, fd: int
) -> subprocess.Popen[bytes]:
    leader = [sys.executable, "-I", "-S", LEASH, str(fd), str(int("LC_CTYPE" in environment))]
    return subprocess.Popen(
        [*leader, *argv],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(fd,),
        start_new_session=True,
    )


class _Kept:
    """The two ends of an output."""

    def __init__(self) -> None:
        self.head, self.tail, self.total = bytearray(), bytearray(), 0

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail += data[room:] if room else data
        del self.tail[:-KEPT]

    def text(self) -> str:
        left_out = self.total - len(self.head) - len(self.tail)
        middle = f"\n[… {left_out:,} bytes left out …]\n".encode() if left_out else b""
        return (bytes(self.head) + middle + bytes(self.tail)).decode("utf-8", "replace")


def _follow(process: subprocess.Popen[bytes], stream: IO[bytes], kept: _Kept, deadline: float) -> bool:
    """Read until the command has ended; ``False`` where its time is over first."""
    os.set_blocking(stream.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(stream, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            over = process.poll() is not None
            if ready.select(0 if over else min(left, _LOOK_S)):
                data = os.read(stream.fileno(), 1 << 16)
                if not data:
                    return _wait(process, deadline)
                kept.feed(data)
            elif over:  # a child of it holds the output open
                return True
    return False


def _wait(process: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True
