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
    import psutil

    memory = psutil.virtual_memory()
    total, used = int(memory.total), int(memory.total - memory.available)
    for limit, usage in _LIMITS:
        ceiling = _number(limit)
        if ceiling is not None and ceiling < total:
            total, used = ceiling, min(_number(usage) or 0, ceiling)
    return host(total, used=used)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):  # no such controller, or "max"
        return None
