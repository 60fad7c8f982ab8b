"""The edit blocks of the answer can be applied to the tree, all of them; nothing is changed."""

from aidx.errors import InputError
from aidx.patterns.rules import Rule
from aidx.patterns.vocabulary import Command, Steps, run

NAME = "patch"
TAKES = "nothing"
TRIED = "aidx:patch"  # the command that tries; no check can have this name


def rule(told: str) -> Rule:
    """No options."""
    if told:
        raise InputError(f"{told!r} is not expected")
    return Rule(NAME, _judge)


def _judge(text: str) -> Steps[str | None]:
    ran = yield from run(Command(TRIED, text))
    return None if ran.status == 0 else ran.output.strip() or "the edits cannot be applied"
