"""A cascade as the Architect: a draft of the plan, held against grammar and linter, then judged by the verifier.

The pattern is the one that the endpoint serves; here its requests are effects of the pipeline, so that each of them
stands in the ledger, and none is paid for twice when a run goes on.
"""

import json
from collections.abc import Collection, Generator, Mapping
from typing import Any

from msgspec import Struct

from aidx.errors import AidxError
from aidx.gate.patterns import advance
from aidx.patterns import cascade
from aidx.patterns.cascade import DRAFTER, VERIFIER
from aidx.patterns.prompt import Prompt as Request
from aidx.patterns.prompt import Turn as Message
from aidx.patterns.rules import Rule
from aidx.patterns.terms import Terms
from aidx.patterns.vocabulary import Answer, Command, Pattern, Ran, Result, Steps, run
from aidx.patterns.vocabulary import Ask as Asked
from aidx.pipeline.artifact.plan import ChangePlan
from aidx.pipeline.context.prompt import Prompt, Turn
from aidx.pipeline.effects import Ask, Consult, Counted, Effect, Save, consult, count, tell
from aidx.pipeline.ending import BlockedError, TooLongError
from aidx.pipeline.planning import plan_in, shown, unfit, within_gate

TRAIL = "trail.json"
RULE = "aidx:plan"  # the command that holds a plan against the tree; no check can have this name
SPARE = 256  # tokens of a verdict's question, or of what is wrong with a draft
LISTED = 8  # faults of a plan that its drafter is told
HINT = "Say more in TASK, write the plan yourself (--plan), or use stronger models as drafter and verifier."


class Cascade(Struct, frozen=True):
    """A drafter and a verifier that plan together; a draft is repaired *repairs* times at most."""

    repairs: int = 1


def first_contexts(
    task: str, files: Mapping[str, str], checks: Collection[str]
) -> Generator[Effect, Any, tuple[tuple[str, str, Counted], ...]]:
    """What drafter and verifier would be sent first; the draft in the verifier's is as long as one may be."""
    prompt, output = yield from _prompt(task, files, checks)
    (drafting,) = yield from count("plan", DRAFTER, prompt)
    question = Turn("user", "the question", cascade.QUESTION)
    judged = Prompt(prompt.system, prompt.items, (question,))
    (judging,) = yield from count("plan", VERIFIER, judged, beside=(("the draft, at most", output),))
    return (("plan", DRAFTER, drafting), ("plan", VERIFIER, judging))


def agreed(
    task: str, files: Mapping[str, str], checks: Collection[str], how: Cascade
) -> Generator[Effect, Any, ChangePlan]:
    """The plan for *task* that the verifier accepts.

    Raises ``NotVerifiedError`` where it accepts none, ``BlockedError`` with questions that it accepts, and
    ``TooLongError`` where the task and a draft are over a gate.
    """
    prompt, output = yield from _prompt(task, files, checks)
    terms = Terms(
        role=DRAFTER,
        roles=frozenset({DRAFTER, VERIFIER}),
        rules=(Rule("plan", _held_to_the_tree),),
        repairs=how.repairs,
    )
    asked = Request(tuple(Message.of(each["role"], each["content"]) for each in prompt.messages), max_tokens=output)
    try:
        found = yield from _driven(cascade.answer(asked, terms), prompt, checks)
    except cascade.NotVerifiedError as error:
        yield Save(json.dumps(error.trail, ensure_ascii=False), TRAIL)
        error.hint = HINT
        raise
    yield Save(json.dumps([step.as_json for step in found.trail], ensure_ascii=False), TRAIL)
    yield from tell(f"plan: {found.why}")
    plan, problems = plan_in(found.text)
    assert plan is not None, problems  # the rule has seen to it
    return plan


def _prompt(task: str, files: Mapping[str, str], checks: Collection[str]) -> Generator[Effect, Any, tuple[Prompt, int]]:
    """The request for a plan, and the bound on a draft: both gates have room for it, a draft, and what is said of it.

    Raises ``TooLongError`` where one has not, even without files.
    """
    (bare,) = yield from count("plan", DRAFTER, shown(task, {}, (), checks))
    beside = (("a draft, at most", bare.output), ("what is said of it, about", SPARE))
    kept: Mapping[str, str] = files
    left_out: tuple[str, ...] = ()
    for role in (DRAFTER, VERIFIER):
        kept, more = yield from within_gate(task, kept, checks, role, beside)
        left_out = (*left_out, *more)
    prompt = shown(task, kept, left_out, checks)
    for role in (VERIFIER, DRAFTER):
        (counted,) = yield from count("plan", role, prompt, beside=beside)
        if not counted.fits:
            raise TooLongError(
                f"the task, a draft of up to {bare.output} tokens and what is said of it take {counted.size} "
                f"of the {role}'s gate of {counted.gate}",
                hint=f"Make TASK shorter, give the {role} a larger ctx_size, at most what its model was trained for, "
                f"or the {DRAFTER} fewer max_tokens.",
            )
    return prompt, bare.output


def _held_to_the_tree(text: str) -> Steps[str | None]:
    ran = yield from run(Command(RULE, text))
    return None if ran.status == 0 else ran.output


def _driven(pattern: Pattern, prompt: Prompt, checks: Collection[str]) -> Generator[Effect, Any, Answer]:
    """What *pattern* returns, whose requests begin with *prompt*; what goes wrong with one is raised inside it."""
    result: Result | AidxError | None = None
    try:
        while True:
            try:
                effect = advance(pattern, result)
            except StopIteration as stop:
                found: Answer = stop.value
                return found
            try:
                if isinstance(effect, Command):
                    result = yield from _checked(effect.text, checks)
                else:
                    result = yield from consult(_as_effect(effect, prompt))
            except AidxError as error:
                result = error
    finally:
        pattern.close()


def _checked(text: str, checks: Collection[str]) -> Generator[Effect, Any, Ran]:
    """Whether *text* holds a plan for this tree; questions are none, and for the verifier to judge."""
    try:
        plan, problems = plan_in(text)
    except BlockedError:
        return Ran(0)
    if plan is not None:
        problems = yield from unfit(plan, checks)
    if problems:
        yield from tell(f"plan: a draft is not taken: {problems[0]}")
    return Ran(1 if problems else 0, "; ".join(problems[:LISTED]))


def _as_effect(asked: Asked, prompt: Prompt) -> Consult:
    later = asked.prompt.turns[len(prompt.messages) :]
    names = {"assistant": "the draft", "user": "the question" if asked.purpose == "verdict" else "what is wrong"}
    turns = tuple(Turn(turn.role, names[turn.role], turn.text) for turn in later)
    schema = None if asked.shape is None else json.dumps(asked.shape.grammar)
    request = Ask("plan", asked.role, Prompt(prompt.system, prompt.items, turns), schema=schema)
    return Consult(request, asked.prompt.max_tokens)
