"""Drives plan and checklist; the Python API (``aidx.advise.plan(...)``, ``deploy``)."""

from aidx.advise.run import deploy, plan

__all__ = ["deploy", "plan"]
