"""The answer matches a regular expression, somewhere.

The expression is Rust's: linear in time, whatever it is and whatever is searched; without look-around.
"""

from aidx.errors import InputError
from aidx.patterns.rules import Rule, pure
from aidx.patterns.schema.shape import UnenforceableError
from aidx.patterns.schema.valid import expression

NAME = "matches"
TAKES = "a regular expression, such as ^feat; anchors are yours to write"


def rule(told: str) -> Rule:
    """*told* is found in the answer."""
    if not told:
        raise InputError("there is no expression")
    try:
        found = expression(told)
    except UnenforceableError:
        raise InputError(
            f"{told[:80]!r} is no regular expression, or one that does not take linear time",
            hint="Write it without look-around and back references, and with smaller repetitions.",
        ) from None

    def objection(text: str) -> str | None:
        return None if found(text) else f"the answer does not match {told}"

    return pure(NAME, objection)
