"""Commit messages are held against the same rule as answers: ``patterns.rules.conventional_commit``."""

from aidx.patterns.rules.conventional_commit import TYPES, objection

__all__ = ["TYPES", "objection"]
