"""The answer has at most so many characters."""

from aidx.errors import InputError
from aidx.patterns.rules import Rule, pure

NAME = "max-length"
TAKES = "a number of characters, such as 4000"


def rule(told: str) -> Rule:
    """At most *told* characters."""
    if not told.isdecimal() or not int(told):
        raise InputError(f"{told!r} is no number of characters")
    most = int(told)

    def objection(text: str) -> str | None:
        return None if len(text) <= most else f"the answer has {len(text)} characters; at most {most} are allowed"

    return pure(NAME, objection)
