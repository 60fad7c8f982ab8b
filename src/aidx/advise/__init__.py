"""Drives plan, choose and checklist; the Python API (``aidx.advise.plan(...)``, ``choose``, ``deploy``)."""

from aidx.advise.run import choose, deploy, largest_quantization, longest_context, most_slots, plan
from aidx.plan.sweep import sweep

__all__ = ["choose", "deploy", "largest_quantization", "longest_context", "most_slots", "plan", "sweep"]
