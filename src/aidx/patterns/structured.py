"""An answer that has its shape, or none: constrained, validated, repaired at most twice."""

from msgspec.structs import replace

from aidx.errors import BudgetError
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.schema.inline import inline
from aidx.patterns.schema.prepare import LOOSE, Bounds, prepare, shared, tight
from aidx.patterns.schema.shape import NotSatisfiedError, Shape
from aidx.patterns.schema.valid import at_bounds, decode, objections
from aidx.patterns.vocabulary import Answer, Ask, Pattern, Said, Step, Steps, ask, step

REPAIRS = 2
QUOTED = 2000  # characters of a wrong answer that are shown to the model again


def structured(asked: Ask, shape: Shape) -> Pattern:
    """The answer to *asked* that has *shape*, with what it took.

    Raises ``NotSatisfiedError`` after the last repair; an answer that is cut by its bound on tokens has no shape.
    """
    said, trail, bounds = yield from attempts(asked, shape)
    bounded = at_bounds(decode(said.text), bounds)
    return Answer(said, asked.role, trail, weakened=shape.weakened, bounded=bounded)


def attempts(asked: Ask, shape: Shape) -> Steps[tuple[Said, tuple[Step, ...], Bounds]]:
    """The first answer that has *shape*, the trail, and the bounds of the grammar that it was held to."""
    now, bounds = replace(asked, shape=shape), LOOSE
    trail: tuple[Step, ...] = ()
    reasons: tuple[str, ...] = ()
    for attempt in range(1 + REPAIRS):
        try:
            said = yield from ask(now)
        except BudgetError as error:
            if not attempt:
                raise
            raise _failed(attempt, (*reasons, f"the repair does not fit: {error}")) from None
        reasons = wrong(shape, said)
        trail = (*trail, step(now, said, "refused" if reasons else "accepted", *reasons))
        if not reasons:
            return said, trail, bounds
        if said.finish == "length":
            bounds = tight(inline(shape.schema), asked.prompt.max_tokens or said.completion_tokens)
        now = _repair(asked, said, reasons, _narrowed(shape, bounds))
    raise _failed(1 + REPAIRS, reasons)


def wrong(shape: Shape, said: Said) -> tuple[str, ...]:
    """Why *said* does not have *shape*, in the validator's own words."""
    if said.finish == "length":
        return (f"the answer was cut after {said.completion_tokens} tokens",)
    return objections(shape.schema, said.text)


def _narrowed(shape: Shape, bounds: Bounds) -> Shape:
    """*shape* with a grammar that ends sooner; one that leaves keywords out is as it was."""
    if bounds is LOOSE or shape.weakened:
        return shape
    return replace(shape, grammar=shared(prepare(inline(shape.schema), bounds), bounds))


def _repair(asked: Ask, said: Said, reasons: tuple[str, ...], shape: Shape) -> Ask:
    """Ask again, with the wrong answer and what is wrong with it; one that was cut is of no use to look at."""
    prompt = asked.prompt
    if said.finish != "length":
        prompt = _objected(prompt, said.text, reasons)
    return replace(asked, prompt=prompt, shape=shape, purpose="repair")


def _objected(prompt: Prompt, text: str, reasons: tuple[str, ...]) -> Prompt:
    listed = "\n".join(f"- {reason}" for reason in reasons)
    complaint = f"That answer is not valid:\n{listed}\nAnswer again with the corrected JSON and nothing else."
    return prompt.then(Turn.of("assistant", text[:QUOTED] or "(nothing)"), Turn.of("user", complaint))


def _failed(attempts: int, reasons: tuple[str, ...]) -> NotSatisfiedError:
    times = "once" if attempts == 1 else f"{attempts} times"
    return NotSatisfiedError(f"the model was asked {times} and gave no valid answer: {'; '.join(reasons)}", reasons)
