"""Drives plan and checklist; the Python API (``aidx.advise.plan(...)``, ``deploy``)."""

from aidx.advise.run import deploy, plan
from aidx.plan.sweep import sweep

__all__ = ["deploy", "plan", "sweep"]
