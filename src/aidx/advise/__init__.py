"""Drives plan, choose and checklist; the Python API (``aidx.advise.plan(...)``, ``choose``, ``deploy``).

A function's module is imported when the function is first asked for: planning one model needs nothing of choosing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aidx.advise.best import choose
    from aidx.advise.most import largest_quantization, longest_context, most_slots
    from aidx.advise.one import plan
    from aidx.advise.whole import deploy
    from aidx.plan.sweep import sweep

__all__ = ["choose", "deploy", "largest_quantization", "longest_context", "most_slots", "plan", "sweep"]

_HOMES = {
    "choose": "aidx.advise.best",
    "deploy": "aidx.advise.whole",
    "largest_quantization": "aidx.advise.most",
    "longest_context": "aidx.advise.most",
    "most_slots": "aidx.advise.most",
    "plan": "aidx.advise.one",
    "sweep": "aidx.plan.sweep",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
