"""Drives plan and checklist; the Python API (``aidx.advise.plan(...)``)."""

from aidx.advise.run import article, plan

__all__ = ["article", "plan"]
