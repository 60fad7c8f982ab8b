"""A small model as the judge of a prompt: one token, 0 or 1, and how sure it was."""

from collections.abc import Mapping
from math import exp, log
from typing import Final

from aidx.errors import AidxError
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.schema.shape import Shape
from aidx.patterns.vocabulary import Ask, Said, Step, Steps, ask, step

ROLE: Final = "gatekeeper"
TOP = 20  # candidates that are told: the most that OpenAI's API gives
HEAD, TAIL = 1500, 500  # characters of the prompt that it is shown: a small model has a small context
_SCHEMA: Mapping[str, object] = {"type": "integer", "enum": [0, 1]}
VERDICT = Shape("verdict", _SCHEMA, _SCHEMA)
INSTRUCTION = (
    "You sort requests to a coding assistant. Answer 1 if the request needs a plan: several files or steps, a cause "
    "that is not shown, trade-offs, a whole system. Answer 0 if it can be done at once with what it shows: a question "
    "with a known answer, a small edit, a short text. Answer with 0 or 1 and nothing else."
)


def question(text: str) -> Ask:
    """Ask the gatekeeper about *text*: of a long one it sees the beginning and the end."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]}\n[…]\n{text[-TAIL:]}"
    turns = (Turn.of("system", INSTRUCTION), Turn.of("user", text))
    return Ask(ROLE, Prompt(turns, max_tokens=1).also(temperature=0), VERDICT, "route", TOP)


def verdict(text: str) -> Steps[tuple[float | None, Step]]:
    """Ask about *text*: the odds, ``None`` where it fails or says neither 0 nor 1; and the line of the trail."""
    asked = question(text)
    try:
        said = yield from ask(asked)
    except AidxError as error:
        return None, Step(asked.role, asked.purpose, "failed", (error.code,))
    odds = score(said)
    if odds is None:
        return None, step(asked, said, "failed", "neither 0 nor 1")
    return odds, step(asked, said, "accepted")


def score(said: Said) -> float | None:
    """The log-odds of 1 against 0; ``None`` where neither was among the candidates.

    One that is missing is taken to be as likely as the least likely candidate that was told, which it cannot exceed.
    """
    sums = {"0": 0.0, "1": 0.0}
    for token, logarithm in said.first.items():
        if (verdict := token.strip()) in sums:
            sums[verdict] += exp(logarithm)
    if not any(sums.values()):
        return None
    least = exp(min(said.first.values()))
    zero, one = (max(sums[verdict], least, 1e-30) if not sums[verdict] else sums[verdict] for verdict in ("0", "1"))
    return log(one / zero)
