"""One model answers: what every request is that names its role."""

from aidx.patterns.prompt import Prompt
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer, Ask, Pattern, ask, step


def answer(prompt: Prompt, terms: Terms) -> Pattern:
    """Ask the role of *terms* once."""
    asked = Ask(terms.role, prompt, terms.shape)
    said = yield from ask(asked)
    return Answer(said, terms.role, (step(asked, said, "accepted"),))


PATTERN = Served("direct", (), answer)
