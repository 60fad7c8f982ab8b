"""A control group made for one engine: found by its mount, joined by the engine itself, removed when it is done.

The engine's command is run by a shell that writes its own number into the group and then becomes the engine: so
every page from the first one on is charged to it, and its number stays what its parent knows.
"""

import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from msgspec import Struct

from aidx.adapters.ceiling._reaper import Reaper
from aidx.budget.proof import CeilingKind

PREFIX = "aidx-proof-"
JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
GONE_S = 5.0  # for a killed process to give its memory back
POLL_S = 0.005
_NUMBERS = count()


class Mount(Struct, frozen=True):
    """Where a hierarchy is mounted, and which of its groups stands there."""

    folder: Path
    root: str


class Group(Struct, eq=False):
    """A group at *folder*; *limit* and *events* are the files that say its size and its kills.

    *reaper* removes it should this process be killed.
    """

    kind: CeilingKind
    size: int
    folder: Path
    limit: str
    events: str
    reaper: Reaper | None = None

    @property
    def under(self) -> tuple[str, ...]:
        """A shell that joins the group."""
        return ("/bin/sh", "-c", JOIN, str(self.folder))

    def processes(self) -> tuple[int, ...]:
        """As the kernel lists them."""
        return tuple(int(line) for line in _text(self.folder / "cgroup.procs").split())

    def holds(self, pid: int) -> bool:
        """Whether *pid* is in it, and its limit what was asked for, to the page."""
        set_to = _text(self.folder / self.limit).strip()
        page = os.sysconf("SC_PAGE_SIZE")
        return pid in self.processes() and set_to.isdecimal() and self.size - page < int(set_to) <= self.size

    def kills(self) -> int:
        """As the kernel counts them."""
        return oom_kills(self.folder / self.events)

    def close(self) -> None:
        """Kill what is left, wait until it is gone, remove the folder."""
        self._remove()
        if self.reaper is not None:
            self.reaper.close()

    def _remove(self) -> None:
        end = time.monotonic() + GONE_S
        while self.folder.exists():
            for pid in self.processes():
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(OSError):  # a process that is being ended is in it for a moment yet
                self.folder.rmdir()
                return
            if time.monotonic() > end:
                return
            time.sleep(POLL_S)


def make(kind: CeilingKind, parents: Iterator[Path], files: Mapping[str, int | str], events: str) -> Group | str:
    """A group below the first of *parents* that takes one, with *files* written into it; else why there is none.

    The first of *files* is its limit, and has to be taken; the others are for kernels that have them.
    """
    why = "no group may be made"
    limit = next(iter(files))
    for parent in parents:
        sweep(parent)
        folder = parent / f"{PREFIX}{os.getpid()}-{next(_NUMBERS)}"
        try:
            folder.mkdir()
        except OSError as error:
            why = f"{parent}: {error.strerror or error}"
            continue
        group = Group(kind, int(files[limit]), folder, limit, events)
        wrong = _write(folder, files)
        if wrong is None:
            group.reaper = Reaper(folder)
            return group
        group.close()
        why = wrong
    return why


def _write(folder: Path, files: Mapping[str, int | str]) -> str | None:
    for number, (name, value) in enumerate(files.items()):
        if number and not (folder / name).exists():
            continue
        try:
            (folder / name).write_text(str(value), "ascii")
        except OSError as error:
            return f"{folder / name}: {error.strerror or error}"
    return None


def sweep(parent: Path) -> None:
    """Remove groups whose maker is gone: a run that was killed cannot."""
    with suppress(OSError):
        for folder in parent.glob(f"{PREFIX}*-*"):
            maker = folder.name.removeprefix(PREFIX).split("-")[0]
            if maker.isdecimal() and not Path(f"/proc/{maker}").exists():
                with suppress(OSError):
                    folder.rmdir()


def oom_kills(events: Path) -> int:
    """The count in a file of events; 0 where it cannot be read."""
    found = re.search(r"^oom_kill (\d+)$", _text(events), re.MULTILINE)
    return int(found[1]) if found else 0


def mount(kind: str, option: str, mounts: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """Where the file system *kind* with *option* among its own is mounted."""
    for line in _text(mounts).splitlines():
        before, _, after = line.partition(" - ")
        fields, own = before.split(), after.split()
        if own[:1] == [kind] and (not option or option in own[-1].split(",")):
            return Mount(Path(fields[4]), fields[3])
    return None


def upwards(mounted: Mount, own: str) -> Iterator[Path]:
    """The group *own* of this process and those around it, as far as they are mounted here."""
    path = own.removeprefix(mounted.root.rstrip("/")).strip("/")
    here = mounted.folder / path if ".." not in path else mounted.folder
    while True:
        if here.is_dir():
            yield here
        if here == mounted.folder:
            return
        here = here.parent


def own_group(controller: str, groups: Path = Path("/proc/self/cgroup")) -> str:
    """The group of this process: of *controller* in version 1, ``""`` for version 2."""
    for line in _text(groups).splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return path
    return "/"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
