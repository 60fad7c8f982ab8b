"""The Verifier Cascade: a draft is held against rules, then judged by a larger model; what nobody accepts is no answer.

The drafter answers; deterministic rules look first, because they are free and never wrong; the verifier gives a
verdict that is held to a schema. What is wrong goes back to the drafter with the reasons, a bounded number of times;
then the verifier writes the answer itself. What is still not accepted fails, or goes to the model that ``escalate``
names. The verifier's prompts begin as the request does, so that an engine reads that part once.
"""

from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from aidx.errors import CheckError, InputError
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.rules import held_against
from aidx.patterns.schema.shape import NotSatisfiedError, Shape
from aidx.patterns.schema.valid import decode
from aidx.patterns.structured import attempts, wrong
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer, Ask, Outcome, Pattern, Purpose, Said, Step, Steps, ask, step

DRAFTER: Final = "drafter"
VERIFIER: Final = "verifier"
VERDICT_TOKENS = 200
LISTED = 3  # reasons of a verdict
_REASONS = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 160},
    "minItems": 1,
    "maxItems": LISTED,
}


def _branch(verdict: str) -> dict[str, object]:
    """An object with *verdict*, and reasons where it needs some."""
    properties: dict[str, object] = {"verdict": {"const": verdict}}
    if verdict != "accept":
        properties["reasons"] = _REASONS
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_VERDICTS = {"anyOf": [_branch("accept"), _branch("repair"), _branch("reject")]}
VERDICT = Shape("verdict", _VERDICTS, _VERDICTS)
QUESTION = (
    "Judge your last message as a strict reviewer who did not write it: is it a correct and complete answer to the "
    "request before it? Answer with JSON and nothing else: "
    '{"verdict": "accept"} if it is, {"verdict": "repair", "reasons": ["…"]} if it can be mended, '
    '{"verdict": "reject", "reasons": ["…"]} if not.'
)
Judged = Literal["accept", "repair", "reject"]


class NotVerifiedError(CheckError):
    """An answer that nobody accepted; *reasons* are why not, *trail* is what was tried."""

    code = "not_verified"

    def __init__(self, reasons: tuple[str, ...], trail: tuple[Step, ...]) -> None:
        super().__init__(
            f"no answer was accepted: {'; '.join(reasons)}",
            hint="Ask more plainly, ask a larger model, or configure [cascade] escalate.",
        )
        self.reasons = reasons
        self.trail = [step.as_json for step in trail]


class Verdict(NamedTuple):
    """What was judged, and why."""

    judged: Judged
    reasons: tuple[str, ...]


class _Case(Struct):
    """One request on its way: what it wants, and what was tried so far."""

    prompt: Prompt
    terms: Terms
    trail: tuple[Step, ...] = ()


def answer(prompt: Prompt, terms: Terms) -> Pattern:
    """The first draft that rules and verifier accept.

    Raises ``NotVerifiedError`` where none is and nobody may be asked instead, and ``InputError`` where a role is not
    configured. An engine that fails is never taken for a verdict.
    """
    PATTERN.check(terms)
    if prompt.tools:
        raise InputError(
            "a cascade answers in text, and calls no tools",
            code="tools_not_supported",
            hint="Leave tools out, or name a role as the model.",
        )
    case = _Case(prompt.also(), terms)
    said: Said | None = None
    reasons: tuple[str, ...] = ()
    for role, purpose in _turns(terms):
        said = yield from _write(case, role, purpose, said, reasons)
        reasons = yield from _held(case, role, purpose, said)
        if reasons:
            continue
        verdict = yield from _judge(case, said)
        if verdict.judged == "accept":
            return Answer(said, role, case.trail, why=f"{purpose} of {role}, accepted by {VERIFIER}")
        reasons = verdict.reasons
        if verdict.judged == "reject":
            break
    return (yield from _escalate(case, reasons))


def _turns(terms: Terms) -> list[tuple[str, Purpose]]:
    """Who writes in which turn: a draft, its repairs, and what the verifier makes of it."""
    repairs: list[tuple[str, Purpose]] = [(DRAFTER, "repair")] * terms.repairs
    return [(DRAFTER, "draft"), *repairs, (VERIFIER, "rewrite")]


def _write(case: _Case, role: str, purpose: Purpose, before: Said | None, reasons: tuple[str, ...]) -> Steps[Said]:
    prompt = case.prompt
    if before is not None:
        listed = "\n".join(f"- {reason}" for reason in reasons)
        complaint = (
            f"That answer is not accepted:\n{listed}\nAnswer the request again, all of it, without these faults."
        )
        prompt = prompt.then(Turn.of("assistant", before.text or "(nothing)"), Turn.of("user", complaint))
    return (yield from ask(Ask(role, prompt, case.terms.shape, purpose)))


def _held(case: _Case, role: str, purpose: Purpose, said: Said) -> Steps[tuple[str, ...]]:
    """What shape and rules have against *said*; it goes into the trail."""
    reasons: tuple[str, ...] = ()
    if said.finish == "length":
        reasons = (f"the answer was cut after {said.completion_tokens} tokens",)
    elif case.terms.shape is not None:
        reasons = wrong(case.terms.shape, said)
    if not reasons:
        reasons = yield from held_against(case.terms.rules, said.text)
    asked = Ask(role, case.prompt, purpose=purpose)
    case.trail = (*case.trail, step(asked, said, "refused" if reasons else "accepted", *reasons))
    return reasons


def _judge(case: _Case, said: Said) -> Steps[Verdict]:
    """The verifier's verdict; one that does not come to a verdict has not accepted."""
    turns = (Turn.of("assistant", said.text or "(nothing)"), Turn.of("user", QUESTION))
    prompt = replace(case.prompt.then(*turns), fields=b'"temperature":0', max_tokens=VERDICT_TOKENS)
    asked = Ask(VERIFIER, prompt, VERDICT, "verdict")
    try:
        found, tried, _ = yield from attempts(asked, VERDICT)
    except NotSatisfiedError as error:
        case.trail = (*case.trail, Step(VERIFIER, "verdict", "failed", error.reasons))
        return Verdict("reject", ("the verifier came to no verdict",))
    verdict = read(found.text)
    outcome: Outcome = "accepted" if verdict.judged == "accept" else "refused"
    *before, last = [replace(each, purpose="verdict") for each in tried]
    case.trail = (*case.trail, *before, replace(last, outcome=outcome, reasons=verdict.reasons))
    return verdict


def read(text: str) -> Verdict:
    """The verdict in *text*, which has its shape."""
    found = decode(text)
    return Verdict(found["verdict"], tuple(found.get("reasons", ())))


def _escalate(case: _Case, reasons: tuple[str, ...]) -> Pattern:
    """Ask the model that was named for such cases; without one there is no answer."""
    role = case.terms.escalate
    if role is None or role not in case.terms.allowed:
        raise NotVerifiedError(reasons, case.trail)
    said = yield from _write(case, role, "escalation", None, ())
    reasons = yield from _held(case, role, "escalation", said)
    if reasons:
        raise NotVerifiedError(reasons, case.trail)
    return Answer(said, role, case.trail, why=f"escalated to {role}")


PATTERN = Served("cascade", (DRAFTER, VERIFIER), answer)
