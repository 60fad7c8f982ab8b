"""What a pattern says and hears: it yields an ``Ask`` or a ``Command``, and is sent what came of it.

A pattern is a generator that returns an ``Answer``; it touches nothing. ``gate.patterns`` feeds it with models, a test
feeds it by hand. An engine that fails, and a gate that refuses, are exceptions raised where the pattern has asked.
"""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from msgspec import Struct

from aidx.patterns.prompt import Prompt

if TYPE_CHECKING:
    from aidx.patterns.schema.shape import Shape

Purpose = Literal["answer", "draft", "repair", "rewrite", "verdict", "route", "escalation"]
Outcome = Literal["accepted", "refused", "failed"]


class Ask(Struct, frozen=True):
    """Ask the model in *role* to answer *prompt*, and hold it to *shape* where there is one.

    With *top* the log-probabilities of that many candidates for the first token are told.
    """

    role: str
    prompt: Prompt
    shape: "Shape | None" = None
    purpose: Purpose = "answer"
    top: int = 0


class Said(NamedTuple):
    """What a model said: *finish* is ``stop`` or ``length``, *first* the candidates for the first token if asked for.

    *whole* is the engine's answer as it came, *cells* what was reserved for it.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first: Mapping[str, float] = {}
    whole: bytes = b""
    cells: int = 0


class Command(Struct, frozen=True):
    """Run the check *name* of ``[checks]`` on *text*, an answer: it comes in on standard input."""

    name: str
    text: str


class Ran(NamedTuple):
    """How a command ended, and the end of what it printed."""

    status: int
    output: str = ""


Effect = Ask | Command
Result = Said | Ran
Returned = TypeVar("Returned")
Steps = Generator[Effect, Result, Returned]


class Step(Struct, frozen=True):
    """One line of a trail: who was asked for what, what became of it, and why."""

    role: str
    purpose: Purpose
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def as_json(self) -> dict[str, object]:
        """The step as headers and ``--json`` show it."""
        return {
            "role": self.role,
            "purpose": self.purpose,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }


class Answer(Struct, frozen=True):
    """What the user gets: *said* by *role*, and the *trail* that led to it; *why* says how the role was chosen.

    *weakened* are the keywords of its schema that no engine enforced: it was held against them afterwards. *bounded*
    are the places in it where a bound of ours ended a string or an array, of which there may have been more.
    """

    said: Said
    role: str
    trail: tuple[Step, ...]
    why: str = ""
    weakened: tuple[str, ...] = ()
    bounded: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer."""
        return self.said.text

    @property
    def attempts(self) -> int:
        """How often an answer was written."""
        return sum(step.purpose not in {"verdict", "route"} for step in self.trail)

    @property
    def prompt_tokens(self) -> int:
        """Read by all models together."""
        return sum(step.prompt_tokens for step in self.trail)

    @property
    def completion_tokens(self) -> int:
        """Written by all models together."""
        return sum(step.completion_tokens for step in self.trail)


Pattern = Steps[Answer]


def ask(asked: Ask) -> Steps[Said]:
    """Ask, and be told what was said."""
    result = yield asked
    if not isinstance(result, Said):
        raise TypeError(f"an Ask was answered with {type(result).__name__}")
    return result


def run(command: Command) -> Steps[Ran]:
    """Run a check, and be told how it ended."""
    result = yield command
    if not isinstance(result, Ran):
        raise TypeError(f"a Command was answered with {type(result).__name__}")
    return result


def step(asked: Ask, said: Said, outcome: Outcome, *reasons: str) -> Step:
    """The line of the trail for *asked* and *said*."""
    return Step(asked.role, asked.purpose, outcome, reasons, said.prompt_tokens, said.completion_tokens)
