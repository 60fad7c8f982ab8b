"""Patterns fed by hand: what they ask, and what they make of it."""

from aidx.errors import AidxError
from aidx.patterns.vocabulary import Ran, Said


def feed(pattern, replies):
    """The answer of *pattern* when it is told *replies* one after the other, and what it had asked.

    A string is said, an error is raised, anything else is sent as it is.
    """
    asked, left, result = [], list(replies), None
    while True:
        try:
            if isinstance(result, AidxError):
                effect = pattern.throw(result)
            else:
                effect = next(pattern) if result is None else pattern.send(result)
        except StopIteration as stop:
            assert left == [], f"never asked for: {left}"
            return stop.value, asked
        asked.append(effect)
        assert left, f"nothing to say to {effect}"
        result = left.pop(0)
        if isinstance(result, str):
            result = Said(result, "stop", 10, 5)


def ran(status, output=""):
    """How a check ended."""
    return Ran(status, output)
