"""Drives plan and checklist; the Python API (``aidx.advise.plan(...)``)."""

from aidx.advise.run import plan

__all__ = ["plan"]
