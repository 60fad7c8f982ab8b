"""Hybrid Routing: hard rules, then a judgement of how hard the request is, then the Editor or the Architect.

A request that names its model never comes here. Size against the gate and tools are decided by those who know: a role
that cannot take the request refuses it before anything is generated, and the other one is asked, where it may be.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from aidx.errors import AidxError, EngineError
from aidx.patterns import direct
from aidx.patterns.prompt import Prompt
from aidx.patterns.route_private import Private, secret
from aidx.patterns.route_rules import ARCHITECT, EDITOR, FILES, Fired, rule, task
from aidx.patterns.router import gatekeeper
from aidx.patterns.router.model import Calibration, Gatekept, Router
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer, Outcome, Pattern, Step, Steps

NAME: Final = "auto"
NEEDS: Final = (EDITOR, ARCHITECT)
TOO_LARGE = frozenset({"context_length_exceeded", "history_over_gate"})
NO_TOOLS = "tools_not_supported"


class Judge(Struct, frozen=True):
    """Who judges how hard a request is, after the rules.

    *router* always can; a gatekeeper is asked first where that role is configured, and *gatekeeper* is what makes
    its verdicts probabilities. *files* and *private* are bounds of the rules. *patterns* answer for roles that have no
    model of their own.
    """

    router: Router
    gatekeeper: Gatekept | None = None
    files: int = FILES
    private: Private = secret
    patterns: Mapping[str, Served] = field(default_factory=dict)


class Choice(Struct, frozen=True):
    """Who is to answer, and *why* in words fit for a header; *instead* may be asked where that role cannot.

    *score* is before calibration, *probability* that of being complex; ``None`` where a rule decided.
    """

    role: str
    why: str
    rules: tuple[Fired, ...]
    instead: str | None = None
    judge: str = "rule"
    score: float | None = None
    probability: float | None = None
    threshold: float | None = None
    trail: tuple[Step, ...] = ()

    def turn_to(self, error: AidxError) -> str | None:
        """The role to ask after *error*: where the first cannot take the request, or its local engine failed."""
        if error.code in TOO_LARGE or error.code == NO_TOOLS:
            return self.instead
        if isinstance(error, EngineError) and self.role == EDITOR:
            return self.instead
        return None


def milder(first: AidxError, second: AidxError) -> AidxError:
    """Of two refusals the one that asks for less to be left out; any other error goes before a refusal."""
    if first.code in TOO_LARGE and second.code in TOO_LARGE:
        return min(first, second, key=_over)
    return second


def _over(error: AidxError) -> int:
    numbers: Mapping[str, int] = getattr(error, "numbers", {})
    return numbers.get("over_by", 0)


def choose(prompt: Prompt, terms: Terms, judge: Judge) -> Steps[Choice]:
    """Decide who answers *prompt*; asks the gatekeeper at most once, and nobody else."""
    ruling = rule(prompt, terms, files=judge.files, private=judge.private)
    if ruling.role is not None:
        others = ruling.allowed & {*NEEDS} - {ruling.role}
        instead = next(iter(others), None)
        return Choice(ruling.role, f"{ruling.role}: {ruling.says}", ruling.fired, instead)
    text = task(prompt)
    trail: tuple[Step, ...] = ()
    if gatekeeper.ROLE in ruling.allowed:
        judged, trail = yield from _gatekeeper(text, judge)
        if judged is not None:
            return replace(judged, rules=ruling.fired, trail=trail)
    return replace(classified(text, judge), rules=ruling.fired, trail=trail)


def classified(text: str, judge: Judge) -> Choice:
    """What the classifier says of *text*."""
    score = judge.router.score(text)
    probability = judge.router.calibration.probability(score)
    return _judged("classifier", score, probability, judge.router.threshold)


def _gatekeeper(text: str, judge: Judge) -> Steps[tuple[Choice | None, tuple[Step, ...]]]:
    """What the gatekeeper says of *text*; nothing where it fails or says neither 0 nor 1: then another judges."""
    score, line = yield from gatekeeper.verdict(text)
    if score is None:
        return None, (line,)
    known = judge.gatekeeper
    calibration, threshold = (Calibration(), 0.5) if known is None else (known.calibration, known.threshold)
    name = "gatekeeper, not calibrated" if known is None else "gatekeeper"
    return _judged(name, score, calibration.probability(score), threshold), (line,)


def _judged(name: str, score: float, probability: float, threshold: float) -> Choice:
    up = probability >= threshold
    role, instead = (ARCHITECT, EDITOR) if up else (EDITOR, ARCHITECT)
    sign = ">=" if up else "<"
    why = f"{role}: {name} {probability:.3f} {sign} {threshold:g}"
    return Choice(role, why, (), instead, name, score, probability, threshold)


def answer(prompt: Prompt, terms: Terms, judge: Judge) -> Pattern:
    """Let the role answer that *judge* chooses, or the other one where that cannot.

    Raises what the last of them raises.
    """
    choice = yield from choose(prompt, terms, judge)
    try:
        found = yield from _by(choice.role, prompt, terms, judge)
    except AidxError as error:
        other = choice.turn_to(error)
        if other is None:
            raise
        outcome: Outcome = "failed" if isinstance(error, EngineError) else "refused"
        gave_up = Step(choice.role, "answer", outcome, (error.code,))
        why = f"{other}: {choice.role} {outcome} ({error.code}); {choice.why}"
        try:
            found = yield from _by(other, prompt, terms, judge)
        except AidxError as second:
            raise milder(error, second) from None
        return _told(found, why, (*choice.trail, gave_up))
    return _told(found, choice.why, choice.trail)


def _by(role: str, prompt: Prompt, terms: Terms, judge: Judge) -> Pattern:
    """The answer of *role*, or of the pattern that stands for it."""
    pattern = judge.patterns.get(role, direct.PATTERN)
    return (yield from pattern.answer(prompt, replace(terms, role=role)))


def _told(found: Answer, why: str, before: tuple[Step, ...]) -> Answer:
    why = f"{why}; {found.why}" if found.why else why
    return replace(found, why=why, trail=(*before, *found.trail))


def served(judge: Judge) -> Served:
    """The pattern with its judge, under the name that a request gives."""
    return Served(NAME, NEEDS, lambda prompt, terms: answer(prompt, terms, judge))
