"""Host RAM: what the kernel has, bounded by this process's control group."""

from pathlib import Path

from aidx.plan.devices import Device, host

_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def read() -> Device:
    """The host with what other processes use of it now; a container's limit counts as its total."""
    total, available = _kernel() or _library()
    used = total - available
    for limit, usage in _LIMITS:
        ceiling = _number(limit)
        if ceiling is not None and ceiling < total:
            total, used = ceiling, min(_number(usage) or 0, ceiling)
    return host(total, used=used)


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
