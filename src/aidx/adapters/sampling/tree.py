"""The memory of a process and of all that come from it, as Linux tells it; elsewhere through psutil."""

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field

from aidx.adapters.sampling.nvidia import NoUse
from aidx.budget.witness import Held, Sample

GpuUse = Callable[[frozenset[int]], Mapping[str, int]]
_FIELDS = ("VmRSS", "VmHWM", "RssAnon", "RssShmem")


class _Look(NamedTuple):
    held: Held
    anonymous: int


class TreeSampler(Struct, eq=False):
    """Looks at the processes that *roots* names when it is asked, and at their descendants.

    A process that left the tree (a daemon) is still seen where *roots* lists a control group. *gpus* says what
    processes hold on each GPU. With *alone* descendants are not looked at.
    """

    roots: Callable[[], Iterable[int]]
    gpus: GpuUse = field(default_factory=NoUse)
    alone: bool = False
    _peak: int = 0

    def read(self) -> Sample | None:
        """One look; ``None`` where none of them can be seen."""
        pids = dict.fromkeys(self.roots()) if self.alone else _tree(self.roots())
        looks = [found for pid in pids if (found := _look(pid)) is not None]
        if not looks:
            return None
        each = tuple(look.held for look in looks)
        self._peak = max(self._peak, sum(held.peak for held in each))
        return Sample(
            resident=sum(held.resident for held in each),
            anonymous=sum(look.anonymous for look in looks),
            peak=self._peak,
            processes=len(each),
            gpus=self.gpus(frozenset(pids)),
            each=each,
        )


def _tree(roots: Iterable[int]) -> dict[int, None]:
    found: dict[int, None] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = None
            waiting += children(pid)
    return found


def children(pid: int) -> list[int]:
    """The processes that *pid* started; none where that cannot be seen."""
    if not sys.platform.startswith("linux"):
        return _library_children(pid)
    try:
        threads = [thread.name for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text("ascii").split())
        except OSError:  # the thread has ended
            continue
    return found


def _look(pid: int) -> _Look | None:
    if not sys.platform.startswith("linux"):
        return _library_look(pid)
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    pairs = [line.partition(":") for line in lines]
    said = {name: int(rest.split()[0]) << 10 for name, _, rest in pairs if name in _FIELDS}
    if "VmRSS" not in said:  # a zombie holds nothing
        return None
    anonymous = said.get("RssAnon", 0) + said.get("RssShmem", 0)
    name = next((rest.strip() for name, _, rest in pairs if name == "Name"), "")
    return _Look(Held(pid, name, said["VmRSS"], said.get("VmHWM", said["VmRSS"])), anonymous)


def _library_children(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def _library_look(pid: int) -> _Look | None:
    """Windows keeps a mark of its own; on macOS only the moment can be seen."""
    import psutil

    try:
        process = psutil.Process(pid)
        memory, name = process.memory_info(), process.name()
    except psutil.Error:
        return None
    held = Held(pid, name, memory.rss, getattr(memory, "peak_wset", memory.rss))
    return _Look(held, getattr(memory, "private", memory.rss))
