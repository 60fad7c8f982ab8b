"""The first mechanism that this machine has; none is a reason, never a pretence."""

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from aidx.adapters import ceiling

if TYPE_CHECKING:
    from types import ModuleType

    from aidx.budget.witness import Ceiling


def find(size: int) -> "Ceiling | str":
    """A ceiling of *size* bytes; where there can be none, why: what each mechanism says."""
    if not sys.platform.startswith("linux"):
        return f"aidx knows none for {sys.platform} (an rlimit counts address space and proves nothing)"
    reasons = []
    for module in mechanisms():
        made: Ceiling | str = module.make(size)
        if not isinstance(made, str):
            return made
        reasons.append(made)
    return "; ".join(reasons)


def mechanisms() -> "list[ModuleType]":
    """The modules of this package that make one, the cheapest first."""
    names = (module.name for module in iter_modules(ceiling.__path__))
    modules = (import_module(f"{ceiling.__name__}.{name}") for name in names)
    return sorted((module for module in modules if hasattr(module, "RANK")), key=lambda module: int(module.RANK))
