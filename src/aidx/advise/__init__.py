"""Drives plan, choose and checklist; the Python API (``aidx.advise.plan(...)``, ``choose``, ``deploy``)."""

from aidx.advise.run import choose, deploy, plan
from aidx.plan.sweep import sweep

__all__ = ["choose", "deploy", "plan", "sweep"]
