"""The answer is a Conventional Commit (https://www.conventionalcommits.org/en/v1.0.0/)."""

import re

from aidx.errors import InputError
from aidx.patterns.rules import Rule, pure

NAME = "conventional-commit"
TAKES = "nothing"
TYPES = ("build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test")
_SUBJECT = re.compile(r"(?P<type>[a-z]+)(?:\((?P<scope>[^()\s][^()]*)\))?!?: (?P<what>\S.*)")
_MOST = 100  # characters of a subject; git shows fewer, tools that check take this many


def rule(told: str) -> Rule:
    """No options."""
    if told:
        raise InputError(f"{told!r} is not expected")
    return pure(NAME, lambda text: objection(text.strip()))


def objection(message: str) -> str | None:
    """What a Conventional Commit has and *message* has not, or ``None``."""
    subject, *rest = message.split("\n")
    match = _SUBJECT.fullmatch(subject)
    if match is None:
        return f"the subject is not 'type(scope): what': {subject[:60]!r}"
    if match["type"] not in TYPES:
        return f"'{match['type']}' is no type (known: {', '.join(TYPES)})"
    if len(subject) > _MOST:
        return f"the subject has {len(subject)} characters, more than {_MOST}"
    if rest and rest[0].strip():
        return "the line after the subject must be empty"
    return None
