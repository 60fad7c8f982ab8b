"""A plan as another tool's settings, one file a target; the folder is the list.

Each target has ``NAME``, what ``aidx export`` calls it, and ``export(given)``.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Protocol, cast

from aidx.errors import InputError
from aidx.export.given import Exported, Given

__all__ = ["Exported", "Given", "Target", "find", "targets"]

_SHARED = frozenset({"given", "text"})


class Target(Protocol):
    """A module of this package."""

    NAME: str

    def export(self, given: Given) -> Exported:
        """The files that make the tool do what was planned; raises ``InputError`` where it cannot."""
        ...


@cache
def _modules() -> Mapping[str, Target]:
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name not in _SHARED)
    found = [cast("Target", importlib.import_module(f"{__name__}.{name}")) for name in names]
    return {target.NAME: target for target in found}


def targets() -> tuple[str, ...]:
    """What can be exported to."""
    return tuple(sorted(_modules()))


def find(name: str) -> Target:
    """The target called *name*; ``InputError`` for an unknown one."""
    if name not in _modules():
        raise InputError(f"unknown target '{name}'", hint=f"Name one of: {', '.join(targets())}.")
    return _modules()[name]
