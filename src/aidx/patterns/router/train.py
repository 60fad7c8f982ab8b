"""A router from labelled prompts: fitted, calibrated and judged on prompts that each fit had not seen."""

from collections import Counter
from collections.abc import Sequence

from aidx.errors import InputError
from aidx.patterns.router import fit, measure
from aidx.patterns.router.features import read
from aidx.patterns.router.labelled import LABELS, Labelled
from aidx.patterns.router.model import UNIT, Gatekept, Measured, Router, fingerprint, from_floats

LEAST = 10  # prompts of each label: two a fold
MOST_MISSED = 0.1


def train(
    rows: Sequence[Labelled],
    prior: Router | None = None,
    *,
    about: str,
    seed: int = 1,
    pull: float = fit.PULL,
    most_missed: float = MOST_MISSED,
) -> Router:
    """A router of *rows*, which starts from *prior*: few rows change it a little.

    Calibration, threshold and figures come from scores of prompts in folds that the fit had not seen; groups are
    never split. The threshold is the highest at which at most *most_missed* of the complex prompts are missed.
    Raises ``InputError`` where there are too few prompts of a label.
    """
    counts: Counter[str] = Counter(row.label for row in rows)
    for label in LABELS:
        if counts[label] < LEAST:
            raise InputError(
                f"{counts[label]} prompts are labelled {label}; training takes at least {LEAST} of each label",
                hint="Label more prompts; aidx route eval works with fewer.",
                code="too_few_prompts",
            )
    before = fit.NONE if prior is None else as_weights(prior)
    given = [fit.Row(read(row.prompt), row.is_complex, row.group) for row in rows]
    complexes = [row.is_complex for row in rows]
    scores = fit.unseen(given, before, seed=seed, pull=pull)
    calibration = fit.platt(scores, complexes)
    chances = [calibration.probability(score) for score in scores]
    threshold = measure.threshold_for(chances, complexes, most_missed)
    weights, bias = from_floats(*_parts(fit.fit(given, before, seed=seed, pull=pull)))
    seen = frozenset(fingerprint(row.prompt) for row in rows) | (frozenset() if prior is None else prior.seen)
    figures = measured(rows, chances, threshold)
    return Router(weights, bias, calibration, threshold, about, figures, seen=seen)


def gatekept(
    rows: Sequence[Labelled],
    odds: Sequence[float | None],
    *,
    model: str,
    most_missed: float = MOST_MISSED,
    seed: int = 1,
) -> Gatekept:
    """What makes the *odds* that the gatekeeper *model* gave for *rows* probabilities; ``None`` is no verdict.

    Its figures come from calibrations of the other folds. Raises ``InputError`` where there are too few verdicts.
    """
    known = [(row, one) for row, one in zip(rows, odds, strict=True) if one is not None]
    complexes = [row.is_complex for row, _ in known]
    scores = [one for _, one in known]
    if min(sum(complexes), len(complexes) - sum(complexes)) < LEAST:
        raise InputError(
            f"{model} had a verdict on {len(known)} of {len(rows)} prompts; it takes at least {LEAST} of each label",
            hint="Use another model as gatekeeper, or label more prompts.",
            code="too_few_prompts",
        )
    groups = [fit.Row(read(""), row.is_complex, row.group) for row, _ in known]
    fold_of = fit.folds(groups, seed=seed)
    chances = [0.0] * len(known)
    for fold in sorted(set(fold_of)):
        others = [number for number, of in enumerate(fold_of) if of != fold]
        found = fit.platt([scores[number] for number in others], [complexes[number] for number in others])
        for number, of in enumerate(fold_of):
            if of == fold:
                chances[number] = found.probability(scores[number])
    threshold = measure.threshold_for(chances, complexes, most_missed)
    figures = measured([row for row, _ in known], chances, threshold)
    return Gatekept(model, fit.platt(scores, complexes), threshold, figures)


def measured(rows: Sequence[Labelled], chances: Sequence[float], threshold: float) -> Measured:
    """The figures of *rows* that were given these *chances*."""
    complexes = [row.is_complex for row in rows]
    found = measure.auc(chances, complexes)
    at = measure.point(chances, complexes, threshold)
    return Measured(
        prompts=len(rows),
        auc=found.auc,
        auc_low=found.low,
        auc_high=found.high,
        auc_prompt_length=measure.auc([len(row.prompt) for row in rows], complexes).auc,
        brier=measure.brier(chances, complexes),
        ece=measure.ece(chances, complexes),
        missed_complex_rate=at.missed_complex_rate,
        escalation_rate=at.escalation_rate,
    )


def as_weights(router: Router) -> fit.Weights:
    """The weights of *router* as a prior, on the scale of its probabilities."""
    slope, offset = router.calibration.slope, router.calibration.offset
    return fit.Weights(tuple(slope * weight / UNIT for weight in router.weights), slope * router.bias / UNIT + offset)


def _parts(weights: fit.Weights) -> tuple[tuple[float, ...], float]:
    return weights.by_place, weights.bias
