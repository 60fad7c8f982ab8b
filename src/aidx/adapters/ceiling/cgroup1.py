"""Control groups, version 1: ``memory.limit_in_bytes``, and the same with swap where the kernel counts it."""

from aidx.adapters.ceiling import _group
from aidx.budget.proof import CeilingKind

KIND: CeilingKind = "cgroup1"
RANK = 1


def make(size: int) -> "_group.Group | str":
    """A ceiling of *size* bytes, or why there is none."""
    mounted = _group.mount("cgroup", "memory")
    if mounted is None:
        return "no cgroup v1 with a memory controller is mounted"
    files: dict[str, int | str] = {
        "memory.limit_in_bytes": size,
        "memory.swappiness": 0,
        "memory.memsw.limit_in_bytes": size,
    }
    parents = _group.upwards(mounted, _group.own_group("memory"))
    return _group.make(KIND, parents, files, "memory.oom_control")
