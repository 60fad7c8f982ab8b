"""The proof under a hard ceiling: a load that fills what was planned, what came of it, and the verdict.

``run.prove`` makes one; what it means is decided in ``budget.proof``.
"""
