"""Judges and trains routers on labelled prompts, as ``aidx route`` and scripts do."""

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.prices import Price
from aidx.errors import CheckError, EngineError
from aidx.gate.admit import Limits
from aidx.gate.run import drive_all
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.route import Choice, Judge, choose
from aidx.patterns.route_rules import task
from aidx.patterns.router import gatekeeper, measure
from aidx.patterns.router.labelled import Labelled, contradictions
from aidx.patterns.router.model import Measured, Reason, Router, fingerprint
from aidx.patterns.router.train import MOST_MISSED, gatekept, measured
from aidx.patterns.router.train import train as fitted
from aidx.patterns.terms import Terms
from aidx.ports.engine import Deployment

BYTES_A_TOKEN = 4  # assumed where a file has no counts: English prose; code and other scripts have fewer
ANSWER = 400  # tokens of an answer, assumed likewise


class Prices(Struct, frozen=True):
    """What both models cost, and how many tokens an answer is taken to have where a file does not say."""

    editor: Price
    architect: Price
    answer_tokens: int = ANSWER


class Judged(Struct, frozen=True):
    """A router on labelled prompts; *cost* is ``None`` without prices, *assumed* are the prompts of unknown size.

    *seen* are the prompts that the router was trained on: figures with many of them flatter it.
    """

    prompts: int
    of_complex: int
    auc: measure.Auc
    auc_prompt_length: measure.Auc
    brier: float
    ece: float
    at: measure.Point
    curve: tuple[measure.Point, ...]
    cost: measure.Cost | None = None
    assumed: int = 0
    contradictions: tuple[tuple[int, int], ...] = ()
    seen: int = 0

    def check(self, most_missed: float) -> None:
        """Raise ``CheckError`` where more than *most_missed* of the complex prompts stay with the smaller model."""
        missed = self.at.missed_complex_rate
        if missed > most_missed:
            raise CheckError(
                f"{missed:.1%} of the complex prompts are missed at threshold {self.at.threshold:g}, "
                f"at most {most_missed:.1%} may be",
                hint=self._way_out(most_missed),
                code="too_many_missed",
            )

    def _way_out(self, most_missed: float) -> str:
        """The highest threshold of the curve that would do."""
        enough = [point for point in self.curve if point.missed_complex_rate <= most_missed]
        best = max(enough, key=lambda point: point.threshold)
        return (
            f"Set threshold = {best.threshold:g} in [route] (then {best.escalation_rate:.0%} escalate), "
            "or train on your own prompts."
        )


def judge(
    rows: Sequence[Labelled], router: Router, prices: Prices | None = None, odds: Sequence[float | None] | None = None
) -> Judged:
    """How good *router* is on *rows*, of which both labels must be there.

    With *odds* its gatekeeper is judged, which gave them; the classifier has the prompts on which it had no verdict,
    and everything is put on the scale of the gatekeeper's threshold.
    """
    complexes = [row.is_complex for row in rows]
    chances = [router.probability(row.prompt) for row in rows]
    if odds is not None and router.gatekeeper is not None:
        kept = router.gatekeeper
        judged = [None if one is None else kept.calibration.probability(one) for one in odds]
        chances = [chance if one is None else one for chance, one in zip(chances, judged, strict=True)]
        router = replace(router, threshold=kept.threshold)
    found = Judged(
        prompts=len(rows),
        of_complex=sum(complexes),
        auc=measure.auc(chances, complexes),
        auc_prompt_length=measure.auc([len(row.prompt) for row in rows], complexes),
        brier=measure.brier(chances, complexes),
        ece=measure.ece(chances, complexes),
        at=measure.point(chances, complexes, router.threshold),
        curve=measure.curve(chances, complexes),
        contradictions=tuple(contradictions(rows)),
        seen=seen(rows, router),
    )
    if prices is None:
        return found
    sizes = [_size(row, prices.answer_tokens) for row in rows]
    escalated = [router.escalates(chance) for chance in chances]
    assumed = sum(row.prompt_tokens is None or row.completion_tokens is None for row in rows)
    return replace(found, cost=measure.cost(sizes, escalated, prices.editor, prices.architect), assumed=assumed)


def seen(rows: Sequence[Labelled], router: Router | None) -> int:
    """How many of *rows* the router was trained on."""
    return 0 if router is None else sum(fingerprint(row.prompt) in router.seen for row in rows)


def _size(row: Labelled, answer: int) -> measure.Size:
    read = row.prompt_tokens
    if read is None:
        read = -(-len(row.prompt.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)
    return measure.Size(read, answer if row.completion_tokens is None else row.completion_tokens)


def train(
    rows: Sequence[Labelled],
    prior: Router | None = None,
    *,
    about: str,
    seed: int = 1,
    most_missed: float = MOST_MISSED,
) -> Router:
    """A router of *rows*, from *prior* on: see ``patterns.router.train``."""
    return fitted(rows, prior, about=about, seed=seed, most_missed=most_missed)


class Explained(Struct, frozen=True):
    """A decision, and what it was made of; *reasons* are the classifier's, whoever judged.

    *not_asked* is set where a gatekeeper is configured, whom an explanation does not ask.
    """

    choice: Choice
    reasons: tuple[Reason, ...]
    not_asked: bool


def verdicts(texts: Sequence[str], start: Callable[[], Deployment], limits: Limits) -> list[float | None]:
    """The odds that the gatekeeper, which *start* starts, gives for each of *texts*; blocks while it is asked."""
    asked = (gatekeeper.verdict(text) for text in texts)
    return [odds for odds, _ in drive_all(gatekeeper.ROLE, start, limits, asked)]


def explain(text: str, terms: Terms, judge: Judge) -> Explained:
    """Why a request that says *text* goes where it goes; no model is asked."""
    prompt = Prompt((Turn.of("user", text),))
    steps = choose(prompt, terms, judge)
    not_asked = False
    try:
        next(steps)
        not_asked = True
        steps.throw(EngineError("a gatekeeper is not asked for an explanation", code="not_asked"))
    except StopIteration as stop:
        choice: Choice = stop.value
    return Explained(choice, tuple(judge.router.reasons(task(prompt))), not_asked)


__all__ = [
    "Explained",
    "Judged",
    "Labelled",
    "Measured",
    "Prices",
    "Router",
    "explain",
    "gatekept",
    "judge",
    "measured",
    "seen",
    "train",
    "verdicts",
]
