"""What the pipeline asks of the world, as values: its phases yield them, ``run`` carries them out."""

from collections.abc import Generator, Mapping
from typing import Any, Literal

from msgspec import Struct

from aidx.patterns.prompt import Precision
from aidx.patterns.vocabulary import Said
from aidx.pipeline.context.prompt import Prompt
from aidx.pipeline.ending import LintError
from aidx.ports.programs import Errand, Ran, Worked
from aidx.ports.workspace import RefusedPathError

Phase = Literal["research", "plan", "preflight", "edit", "check", "commit"]
Tree = Mapping[str, bytes | None]


class Enter(Struct, frozen=True):
    """A phase begins."""

    phase: Phase


class Tell(Struct, frozen=True):
    """A line about what is going on."""

    line: str


class Read(Struct, frozen=True):
    """The files at *paths* as they are; answered with a ``Tree``."""

    paths: tuple[str, ...]


class Guard(Struct, frozen=True):
    """Which of the files at *paths* nobody but a person may change; answered with why, by path."""

    paths: tuple[str, ...]


class Ready(Struct, frozen=True):
    """Whether *paths* can be committed; answered with those that have edits already which are not committed."""

    paths: tuple[str, ...]


class Look(Struct, frozen=True):
    """The files at *paths* as they are now, whatever was read of them before; answered with a ``Tree``."""

    paths: tuple[str, ...]


class Find(Struct, frozen=True):
    """What the index proposes for *query*, at most *limit*; answered with ``Candidate``s, the best first."""

    query: str
    limit: int


class Recall(Struct, frozen=True):
    """What is left of the plan from an earlier attempt; answered with a ``Recalled``."""


class Recalled(Struct, frozen=True):
    """The run's plan as a person *edited* it in the file *path*; *applied* is the one whose edits are in the tree."""

    edited: str | None = None
    path: str = ""
    applied: str | None = None


class Save(Struct, frozen=True):
    """Keep *text* with the run, under *name*."""

    text: str
    name: str = "plan.md"


class Ask(Struct, frozen=True):
    """One request to the model in *role*; answered with its text.

    *schema* is the JSON schema that the answer is held to, as text. *attempt* tells repeated requests apart.
    """

    phase: Phase
    role: str
    prompt: Prompt
    attempt: int = 1
    schema: str | None = None


class Consult(Struct, frozen=True):
    """One request of a pattern, as ``Ask``; answered with a ``Said``, which may have been cut at *max_tokens*."""

    ask: Ask
    max_tokens: int | None = None


class Hand(Struct, frozen=True):
    """Let the program that edits by itself do *errand*; answered with a ``Worked``."""

    phase: Phase
    errand: Errand
    attempt: int = 1


class Count(Struct, frozen=True):
    """How long the requests *prompts* to *role* would be; answered with one ``Counted`` each. Sends nothing.

    *beside* are items that will stand in each of them and are not written yet, with the tokens they may take.
    """

    phase: Phase
    role: str
    prompts: tuple[Prompt, ...]
    beside: tuple[tuple[str, int], ...] = ()


class Counted(Struct, frozen=True):
    """Tokens of a prompt, and of each of its items; *gate* is the most that may be sent, *output* come back.

    *cost* is the most that the request may cost, ``None`` where its price is not known. *precision* says what the
    tokens are: a bound where nobody counts them before they are sent, an estimate where they are counted then.
    """

    tokens: int
    gate: int
    items: tuple[tuple[str, int], ...]
    fits: bool
    output: int = 0
    cost: float | None = None
    precision: Precision = "exact"

    @property
    def size(self) -> str:
        """Its tokens, in words."""
        return sized(self.tokens, "tokens", self.precision)

    @property
    def held(self) -> str:
        """Its tokens beside the gate, in words."""
        return sized(self.tokens, f"of {self.gate} prompt tokens", self.precision)


def sized(tokens: int, what: str, precision: Precision) -> str:
    """So many tokens of *what*, in words that say how sure that is."""
    if precision == "estimate":
        return f"{tokens} {what} (estimated; counted before it is sent)"
    return f"{'' if precision == 'exact' else 'at most '}{tokens} {what}"


class Confirm(Struct, frozen=True):
    """A person's yes to the plan with *plan_hash*; answered with a ``bool``."""

    plan_hash: str
    text: str


class Try(Struct, frozen=True):
    """Put *changes* into the tree, where *before* was, and run the configured *checks*; answered with a ``Ran`` each.

    They carry out *plan*. The tree is put back when the run ends in any way before ``Keep``.
    """

    changes: Tree
    before: Tree
    checks: tuple[str, ...]
    plan: str = ""


class Keep(Struct, frozen=True):
    """What was tried last is what was wanted."""


class Commit(Struct, frozen=True):
    """Commit *paths*; answered with the commit's name."""

    message: str
    paths: tuple[str, ...]


Effect = (
    Enter
    | Tell
    | Read
    | Guard
    | Ready
    | Look
    | Find
    | Recall
    | Save
    | Ask
    | Consult
    | Hand
    | Count
    | Confirm
    | Try
    | Keep
    | Commit
)
Flow = Generator[Effect, Any, Any]


def tell(line: str) -> Generator[Effect, Any, None]:
    """See ``Tell``."""
    yield Tell(line)


def read(*paths: str) -> Generator[Effect, Any, Tree]:
    """See ``Read``."""
    found: Tree = yield Read(tuple(dict.fromkeys(paths)))
    return found


def look(*paths: str) -> Generator[Effect, Any, Tree]:
    """See ``Look``."""
    found: Tree = yield Look(paths)
    return found


def guard(*paths: str) -> Generator[Effect, Any, Mapping[str, str]]:
    """See ``Guard``."""
    found: Mapping[str, str] = yield Guard(paths)
    return found


def read_planned(*paths: str) -> Generator[Effect, Any, Tree]:
    """``read`` for the files that a plan names: ``LintError`` for one that leads out of the tree."""
    try:
        return (yield from read(*paths))
    except RefusedPathError as error:
        raise LintError(f"the plan names what no plan may: {error.detail}", hint=error.hint) from None


def ask(request: Ask) -> Generator[Effect, Any, str]:
    """See ``Ask``."""
    answer: str = yield request
    return answer


def consult(request: Consult) -> Generator[Effect, Any, Said]:
    """See ``Consult``."""
    said: Said = yield request
    return said


def hand(request: Hand) -> Generator[Effect, Any, Worked]:
    """See ``Hand``."""
    found: Worked = yield request
    return found


def count(
    phase: Phase, role: str, *prompts: Prompt, beside: tuple[tuple[str, int], ...] = ()
) -> Generator[Effect, Any, tuple[Counted, ...]]:
    """See ``Count``."""
    found: tuple[Counted, ...] = yield Count(phase, role, prompts, beside)
    return found


def attempt(
    changes: Tree, before: Tree, checks: tuple[str, ...], plan: str = ""
) -> Generator[Effect, Any, tuple[Ran, ...]]:
    """See ``Try``."""
    found: tuple[Ran, ...] = yield Try(changes, before, checks, plan)
    return found
