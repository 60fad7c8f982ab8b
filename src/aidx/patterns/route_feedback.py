"""Labels from what became of a cascade: a draft that was accepted was simple, what nobody accepted was complex."""

from collections.abc import Callable, Iterable

from aidx.errors import CheckError
from aidx.patterns.prompt import Prompt
from aidx.patterns.route_private import Private
from aidx.patterns.route_rules import task
from aidx.patterns.router.model import Label
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Pattern, Step

NOT_VERIFIED = "not_verified"
Note = Callable[[str, Label], object]


def label(trail: Iterable[Step]) -> Label | None:
    """What the *trail* of an answer says of its prompt.

    ``complex`` where it had to be written by a larger model or was escalated, ``simple`` where the first draft was
    accepted; a draft that was repaired says neither.
    """
    purposes = [step.purpose for step in trail]
    if "escalation" in purposes or "rewrite" in purposes:
        return "complex"
    return None if "repair" in purposes else "simple"


def noted(pattern: Served, note: Note, private: Private) -> Served:
    """*pattern*, whose outcomes are handed to *note* as labels; prompts with something private in them never are."""

    def answer(prompt: Prompt, terms: Terms) -> Pattern:
        text = task(prompt)
        try:
            found = yield from pattern.answer(prompt, terms)
        except CheckError as error:
            if error.code == NOT_VERIFIED and not _cut(error) and private(text) is None:
                note(text, "complex")
            raise
        told = label(found.trail)
        if told is not None and private(text) is None:
            note(text, told)
        return found

    return Served(pattern.name, pattern.needs, answer)


def _cut(error: CheckError) -> bool:
    """Whether an answer was not accepted because its tokens ran out: that says nothing about the prompt."""
    return any(reason.startswith("the answer was cut") for reason in getattr(error, "reasons", ()))
