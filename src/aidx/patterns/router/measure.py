"""How good a router is: AUC with its interval, calibration, what escalates, what is missed, what it costs."""

from collections.abc import Sequence
from math import exp, log, sqrt
from typing import NamedTuple

from aidx.budget.prices import Price

BINS = 10  # of equal width, for the calibration error
STEPS = 20  # of the curve: thresholds 0, 0.05, ... 1
NORMAL_95 = 1.959963984540054


class Auc(NamedTuple):
    """The area under the ROC curve, and its 95 % interval."""

    auc: float
    low: float
    high: float


class Point(NamedTuple):
    """What a threshold does: the share that escalates, the share of the complex prompts that does not, accuracy."""

    threshold: float
    escalation_rate: float
    missed_complex_rate: float
    accuracy: float


def auc(scores: Sequence[float], complexes: Sequence[bool]) -> Auc:
    """The chance that a complex prompt scores above a simple one, ties half; both kinds must be there.

    The interval is DeLong's (Biometrics 44, 1988) by mid-ranks (Sun and Xu, 2014), taken on the logit so that it
    stays between 0 and 1. Where the kinds are separated whole DeLong's variance is 0 and would promise certainty:
    there the bound is 1 - 3/n, n the smaller kind (the rule of three).
    """
    hard = [score for score, one in zip(scores, complexes, strict=True) if one]
    easy = [score for score, one in zip(scores, complexes, strict=True) if not one]
    together = _midranks(hard + easy)
    above = [(rank - own) / len(easy) for rank, own in zip(together, _midranks(hard), strict=False)]
    below = [1.0 - (rank - own) / len(hard) for rank, own in zip(together[len(hard) :], _midranks(easy), strict=True)]
    area = sum(above) / len(hard)
    if not 0.0 < area < 1.0:
        rest = min(1.0, 3.0 / min(len(hard), len(easy)))
        return Auc(area, area if area == 0.0 else 1.0 - rest, area if area == 1.0 else rest)
    error = sqrt(_variance(above) / len(hard) + _variance(below) / len(easy))
    middle, width = log(area / (1.0 - area)), NORMAL_95 * error / (area * (1.0 - area))
    return Auc(area, _unlogit(middle - width), _unlogit(middle + width))


def _unlogit(value: float) -> float:
    return 1.0 / (1.0 + exp(-value)) if value > -700.0 else 0.0


def _variance(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.25  # one prompt says nothing about the spread: the widest there is
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _midranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 1; equal values share the middle of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] != values[order[start]]:
            for place in order[start:end]:
                ranks[place] = (start + 1 + end) / 2.0
            start = end
    return ranks


def brier(chances: Sequence[float], complexes: Sequence[bool]) -> float:
    """The mean squared difference between probability and truth; always saying 0.5 has 0.25."""
    return sum((chance - one) ** 2 for chance, one in zip(chances, complexes, strict=True)) / len(chances)


def ece(chances: Sequence[float], complexes: Sequence[bool]) -> float:
    """The expected calibration error: how far probabilities are from shares, over `BINS` bins of equal width."""
    sums = [[0.0, 0.0] for _ in range(BINS)]
    for chance, one in zip(chances, complexes, strict=True):
        bin_ = sums[min(BINS - 1, int(chance * BINS))]
        bin_[0] += chance
        bin_[1] += one
    return sum(abs(said - was) for said, was in sums) / len(chances)


def point(chances: Sequence[float], complexes: Sequence[bool], threshold: float) -> Point:
    """What *threshold* does to prompts of these probabilities."""
    escalated = [chance >= threshold for chance in chances]
    hard = max(1, sum(complexes))
    missed = sum(one and not up for one, up in zip(complexes, escalated, strict=True))
    right = sum(one == up for one, up in zip(complexes, escalated, strict=True))
    return Point(threshold, sum(escalated) / len(chances), missed / hard, right / len(chances))


def curve(chances: Sequence[float], complexes: Sequence[bool]) -> tuple[Point, ...]:
    """The points of thresholds from 0 (everything escalates) to 1."""
    return tuple(point(chances, complexes, step / STEPS) for step in range(STEPS + 1))


def threshold_for(chances: Sequence[float], complexes: Sequence[bool], most_missed: float) -> float:
    """The highest threshold, in hundredths, at which at most *most_missed* of the complex prompts stay below."""
    for hundredth in range(99, 0, -1):
        if point(chances, complexes, hundredth / 100).missed_complex_rate <= most_missed:
            return hundredth / 100
    return 0.01


class Size(NamedTuple):
    """The tokens of one request, in and out."""

    tokens_in: int
    tokens_out: int


class Cost(NamedTuple):
    """What the prompts cost: all of them at the larger model, all at the smaller, and routed."""

    architect: float
    editor: float
    routed: float

    @property
    def saved(self) -> float:
        """The share of the larger model's bill that routing does not spend."""
        return 0.0 if not self.architect else 1.0 - self.routed / self.architect


def cost(sizes: Sequence[Size], escalated: Sequence[bool], editor: Price, architect: Price) -> Cost:
    """What requests of these *sizes* cost at these prices."""
    large = [architect.of(*size) for size in sizes]
    small = [editor.of(*size) for size in sizes]
    routed = sum(up if one else down for up, down, one in zip(large, small, escalated, strict=True))
    return Cost(sum(large), sum(small), routed)
