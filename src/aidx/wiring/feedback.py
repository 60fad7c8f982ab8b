"""What becomes of requests, kept as labels where the user wants it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aidx.config.merge import Settled
    from aidx.patterns.terms import Served


def learning(pattern: "Served", settled: "Settled") -> "Served":
    """*pattern*; with ``feedback = true`` what becomes of its requests is kept, in ``.aidx/feedback.jsonl``."""
    if not settled.config.route.feedback:
        return pattern
    from aidx.adapters.router import note
    from aidx.patterns.route_feedback import noted
    from aidx.patterns.route_private import private

    return noted(pattern, note, private(settled.config.route.private))
