"""A plan as another tool's settings, one file a target; the folder is the list.

A file is named like its target (``-`` becomes ``_``; one that Python keeps for itself has a ``_`` at its end) and holds
``export(given)``. Nothing is imported until it is named.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from aidx.errors import InputError

if TYPE_CHECKING:
    from aidx.export.given import Exported, Given

__all__ = ["Target", "find", "targets"]

_SHARED = frozenset({"given", "llamaflags", "text"})


class Target(Protocol):
    """A module of this package."""

    def export(self, given: "Given") -> "Exported":
        """The files that make the tool do what was planned; raises ``InputError`` where it cannot."""
        ...


def _files() -> Mapping[str, str]:
    names = (info.name for info in pkgutil.iter_modules(__path__) if info.name not in _SHARED)
    return {name.rstrip("_").replace("_", "-"): name for name in names}


def targets() -> tuple[str, ...]:
    """What can be exported to."""
    return tuple(sorted(_files()))


def find(name: str) -> Target:
    """The target called *name*; ``InputError`` for an unknown one."""
    files = _files()
    if name not in files:
        raise InputError(f"unknown target '{name}'", hint=f"Name one of: {', '.join(targets())}.")
    return cast("Target", importlib.import_module(f"{__name__}.{files[name]}"))
