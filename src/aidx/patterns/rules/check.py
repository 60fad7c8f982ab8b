"""A command of the user's, from ``[checks]``, accepts the answer: it reads it and ends with status 0."""

from aidx.errors import InputError
from aidx.patterns.rules import Rule
from aidx.patterns.vocabulary import Command, Steps, run

NAME = "check"
TAKES = "the name of a command in [checks], which is told the answer on standard input"
SHOWN = 600  # characters of what it printed, from its end


def rule(told: str) -> Rule:
    """The check called *told*."""
    if not told or " " in told:
        raise InputError(f"{told!r} is no name of a check")

    def judge(text: str) -> Steps[str | None]:
        ran = yield from run(Command(told, text))
        if ran.status == 0:
            return None
        said = ran.output.strip()[-SHOWN:]
        return f"the check ended with status {ran.status}{f': {said}' if said else ''}"

    return Rule(f"{NAME} {told}", judge)
