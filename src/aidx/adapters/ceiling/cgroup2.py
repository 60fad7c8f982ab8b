"""Control groups, version 2: ``memory.max`` without swap, in the first group around us that may have children.

Needs root, or a subtree that was delegated. A group that holds processes itself can have no children with limits, so
that a session's own group is passed over, and with it the case that nothing above it is ours: then ``systemd`` is
asked.
"""

from collections.abc import Iterator
from pathlib import Path

from aidx.adapters.ceiling import _group
from aidx.budget.proof import CeilingKind

KIND: CeilingKind = "cgroup2"
RANK = 0


def make(size: int) -> "_group.Group | str":
    """A ceiling of *size* bytes, or why there is none."""
    mounted = _group.mount("cgroup2", "")
    if mounted is None:
        return "no cgroup v2 is mounted"
    parents = list(_limiting(_group.upwards(mounted, _group.own_group(""))))
    if not parents:
        return "cgroup v2 has no memory controller for us"
    # Not memory.oom.group: with it the kernel counts the process that it killed first a second time.
    files: dict[str, int | str] = {"memory.max": size, "memory.swap.max": 0}
    return _group.make(KIND, iter(parents), files, "memory.events")


def _limiting(folders: Iterator[Path]) -> Iterator[Path]:
    """Those whose children have limits of memory."""
    for folder in folders:
        try:
            controllers = (folder / "cgroup.subtree_control").read_text("ascii").split()
        except OSError:
            continue
        if "memory" in controllers:
            yield folder
