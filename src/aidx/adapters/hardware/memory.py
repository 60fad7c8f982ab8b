"""Host RAM: what the kernel has, bounded by the control groups that this process is in."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aidx.plan.devices import Device, host

_ROOT = Path("/sys/fs/cgroup")
_MINE = Path("/proc/self/cgroup")


class Limit(NamedTuple):
    """A control group that may hold *total* bytes and holds *used*, without file pages that are idle."""

    total: int
    used: int


def read() -> Device:
    """The host with what other processes use of it now; a container's limit counts as its total."""
    total, available = _kernel() or _library()
    return bounded(total, total - available, list(limits()))


def bounded(total: int, used: int, groups: list[Limit]) -> Device:
    """A host of *total* bytes in *groups*: the one that leaves least free decides."""
    tightest = min(groups, key=lambda group: group.total - group.used, default=None)
    if tightest is None or tightest.total - tightest.used >= total - used:
        return host(total, used=used)
    return host(min(tightest.total, total), used=min(tightest.used, tightest.total))


def limits(root: Path = _ROOT, mine: Path = _MINE) -> Iterator[Limit]:
    """The limits of this process' control group and of those around it, version 2 or 1."""
    for folder, limit, usage in _folders(root, mine):
        total, used = _number(folder / limit), _number(folder / usage)
        if total is not None:
            yield Limit(total, max(0, (used or 0) - _idle(folder / "memory.stat")))


def _folders(root: Path, mine: Path) -> Iterator[tuple[Path, str, str]]:
    for base, path, limit, usage in (
        (root, _path(mine, ""), "memory.max", "memory.current"),
        (root / "memory", _path(mine, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        # Inside a container the path may be the host's, where nothing is mounted: then only the root is there.
        here = base / path.strip("/")
        while True:
            yield here, limit, usage
            if here == base:
                break
            here = here.parent


def _path(mine: Path, controller: str) -> str:
    """The group of this process: ``0::/path`` for version 2, ``N:controllers:/path`` for version 1."""
    try:
        lines = mine.read_text("utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(",") and ".." not in path:
            return path
    return ""


def _idle(stat: Path) -> int:
    """Bytes of cached files that nobody looked at lately: the kernel gives them up before it kills."""
    try:
        pairs = (line.split() for line in stat.read_text("ascii").splitlines())
        return next(int(pair[1]) for pair in pairs if pair[0] in {"inactive_file", "total_inactive_file"})
    except (OSError, StopIteration, ValueError, IndexError):
        return 0


def _kernel() -> tuple[int, int] | None:
    """Total and available bytes as Linux tells them to anybody who asks; psutil, which says the same, takes 8 ms."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found = {name: int(rest.split()[0]) << 10 for name, _, rest in (line.partition(":") for line in lines)}
        return found["MemTotal"], found["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):  # another system, or a kernel before 3.14
        return None


def _library() -> tuple[int, int]:
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):  # no such controller, or "max"
        return None
