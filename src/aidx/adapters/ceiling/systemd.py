"""A scope of the user's own systemd: a hard limit without root, where the memory controller is delegated to it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from msgspec import Struct, field

from aidx.adapters.ceiling import _group
from aidx.budget.proof import CeilingKind

KIND: CeilingKind = "systemd"
RANK = 2
ASK_S = 10.0
_NUMBERS = count()


class Scope(Struct):
    """A scope called *unit*. Its group is there only while the engine is, so that kills are counted above it."""

    size: int
    unit: str
    program: str
    kind: CeilingKind = KIND
    _folder: Path | None = field(default=None)
    _before: int = 0

    @property
    def under(self) -> tuple[str, ...]:
        """systemd-run makes the scope, joins it and becomes the engine."""
        return (*_run(self.program, self.unit, self.size), "--")

    def processes(self) -> tuple[int, ...]:
        """Of the scope, once it was found."""
        if self._folder is None:
            return ()
        with suppress(OSError, ValueError):
            return tuple(int(line) for line in (self._folder / "cgroup.procs").read_text("ascii").split())
        return ()

    def holds(self, pid: int) -> bool:
        """Whether the group that *pid* is in is the scope, and its limit what was asked for, to the page."""
        mounted = _group.mount("cgroup2", "")
        own = _group.own_group("", Path(f"/proc/{pid}/cgroup"))
        if mounted is None or not own.endswith(f"{self.unit}.scope"):
            return False
        self._folder = next(_group.upwards(mounted, own))
        self._before = _group.oom_kills(self._folder.parent / "memory.events") - _group.oom_kills(
            self._folder / "memory.events"
        )
        with suppress(OSError, ValueError):
            set_to = int((self._folder / "memory.max").read_text("ascii"))
            return self.size - os.sysconf("SC_PAGE_SIZE") < set_to <= self.size
        return False

    def kills(self) -> int:
        """Of the slice around the scope, since the scope was found."""
        if self._folder is None:
            return 0
        return max(0, _group.oom_kills(self._folder.parent / "memory.events") - self._before)

    def close(self) -> None:
        """Kill what is left; systemd removes the scope then."""
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def make(size: int) -> Scope | str:
    """A ceiling of *size* bytes, or why there is none: a scope is tried with a program that does nothing."""
    program = shutil.which("systemd-run")
    if program is None:
        return "there is no systemd-run"
    wrong = _tried([*_run(program, _unit(), size), "--", "/bin/sh", "-c", "exit 0"])
    return f"systemd-run --user --scope: {wrong}" if wrong else Scope(size, _unit(), program)


def _unit() -> str:
    return f"{_group.PREFIX}{os.getpid()}-{next(_NUMBERS)}"


def _run(program: str, unit: str, size: int) -> tuple[str, ...]:
    limits = ("-p", f"MemoryMax={size}", "-p", "MemorySwapMax=0")
    return (program, "--user", "--scope", "--quiet", "--collect", f"--unit={unit}", *limits)


def _tried(argv: Sequence[str]) -> str:
    """What is wrong with *argv*; empty where it works."""
    try:
        done = subprocess.run(
            list(argv), capture_output=True, timeout=ASK_S, check=False, text=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"status {done.returncode}"
