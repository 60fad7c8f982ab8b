"""One model answers: what every request is that names its role."""

from aidx.errors import InputError
from aidx.patterns.prompt import Prompt
from aidx.patterns.structured import structured
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer, Ask, Pattern, ask, step


def answer(prompt: Prompt, terms: Terms) -> Pattern:
    """Ask the role of *terms*, once unless its answer must have a shape."""
    if terms.local_only and terms.role in terms.remote:
        raise InputError(
            f"local_only, and {terms.role} is on another machine", hint="Name a role of this one.", code="local_only"
        )
    asked = Ask(terms.role, prompt)
    if terms.shape is not None:
        return (yield from structured(asked, terms.shape))
    said = yield from ask(asked)
    return Answer(said, terms.role, (step(asked, said, "accepted"),))


PATTERN = Served("direct", (), answer)
