"""Training: logistic regression by stochastic gradient, then Platt's calibration. Deterministic, without numpy."""

from collections.abc import Sequence
from math import log
from zlib import crc32

from msgspec import Struct

from aidx.patterns.router.features import ONE, PLACES, Reading
from aidx.patterns.router.model import Calibration, logistic

EPOCHS = 30
PULL = 0.1  # towards the prior, against one for each row: the L2 term is this over the number of rows
FOLDS = 5


class Row(Struct, frozen=True):
    """A prompt as a fit sees it; rows of one *group* are never on both sides of a split."""

    reading: Reading
    is_complex: bool
    group: str


class Weights(Struct, frozen=True):
    """Linear weights by place, and the bias."""

    by_place: tuple[float, ...]
    bias: float

    def score(self, reading: Reading) -> float:
        """The logit of *reading*."""
        weights = self.by_place
        shaped = sum([value * weights[place] for place, value in enumerate(reading.shape.values())])
        return (shaped + reading.each * sum([weights[place] for place in reading.grams])) / ONE + self.bias


NONE = Weights((0.0,) * PLACES, 0.0)


def fit(
    rows: Sequence[Row], prior: Weights = NONE, *, seed: int = 1, pull: float = PULL, epochs: int = EPOCHS
) -> Weights:
    """The weights of *rows*, pulled towards *prior*: of few rows little changes, of many what they say.

    Stochastic gradient with steps of 1 / (strength x (t + t0)), averaged over the second half of the passes; both
    labels count the same. The order of a pass depends on *seed* and the pass alone.
    """
    learner = _Learner(rows, prior, pull / max(1, len(rows)))
    for epoch in range(epochs):
        for number in _order(len(rows), seed, epoch):
            learner.step(number)
        if epoch >= epochs // 2:
            learner.keep()
    return learner.weights()


class _Learner:
    """Steps over rows; what is learnt is the difference to the prior, as ``scale x weights``."""

    def __init__(self, rows: Sequence[Row], prior: Weights, strength: float) -> None:
        of_complex = sum(row.is_complex for row in rows)
        balance = {True: len(rows) / (2 * max(1, of_complex)), False: len(rows) / (2 * max(1, len(rows) - of_complex))}
        self.rows = [
            (
                [value / ONE for value in row.reading.shape.values()],
                list(row.reading.grams),
                row.reading.each / ONE,
                1.0 if row.is_complex else 0.0,
                prior.score(row.reading),
                balance[row.is_complex],
            )
            for row in rows
        ]
        self.prior = prior
        self.strength = strength
        self.learnt = [0.0] * PLACES
        self.scale = 1.0
        self.bias = 0.0
        self.steps = 0
        self.kept = [0.0] * PLACES
        self.kept_bias = 0.0
        self.times = 0

    def step(self, number: int) -> None:
        """Learn from one row."""
        shape, grams, each, truth, before, balance = self.rows[number]
        learnt, scale = self.learnt, self.scale
        raw = sum([value * learnt[place] for place, value in enumerate(shape)])
        raw += each * sum([learnt[place] for place in grams])
        error = balance * (logistic(before + scale * raw + self.bias) - truth)
        self.steps += 1
        rate = 1.0 / (self.strength * (self.steps + 1.0 / (2.0 * self.strength)))
        self.scale = scale = scale * (1.0 - rate * self.strength)
        pull = rate * error / scale
        for place, value in enumerate(shape):
            learnt[place] -= pull * value
        pull *= each
        for place in grams:
            learnt[place] -= pull
        self.bias -= rate * error * 0.1
        if scale < 1e-6:  # the factor is folded in before it is lost in rounding
            self.learnt = [weight * scale for weight in learnt]
            self.scale = 1.0

    def keep(self) -> None:
        """Count the weights as they are into the average."""
        scale = self.scale
        self.kept = [sum_ + weight * scale for sum_, weight in zip(self.kept, self.learnt, strict=True)]
        self.kept_bias += self.bias
        self.times += 1

    def weights(self) -> Weights:
        """The average, over the prior."""
        by_place = tuple(
            before + sum_ / self.times for before, sum_ in zip(self.prior.by_place, self.kept, strict=True)
        )
        return Weights(by_place, self.prior.bias + self.kept_bias / self.times)


def _order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation that depends on nothing but its arguments."""
    return sorted(range(count), key=lambda number: crc32(b"%d %d %d" % (seed, epoch, number)))


def folds(rows: Sequence[Row], count: int = FOLDS, *, seed: int = 1) -> list[int]:
    """The fold of each row: groups stay together, both labels are spread evenly over the folds."""
    sizes: dict[str, list[int]] = {}
    for row in rows:
        sizes.setdefault(row.group, [0, 0])[row.is_complex] += 1
    order = sorted(sizes, key=lambda group: (-sum(sizes[group]), crc32(f"{seed} {group}".encode())))
    loads = [[0, 0] for _ in range(count)]
    fold_of: dict[str, int] = {}
    for group in order:
        simple, hard = sizes[group]
        best = min(range(count), key=lambda fold: (loads[fold][0] * simple + loads[fold][1] * hard, sum(loads[fold])))
        fold_of[group] = best
        loads[best][0] += simple
        loads[best][1] += hard
    return [fold_of[row.group] for row in rows]


def unseen(rows: Sequence[Row], prior: Weights = NONE, *, seed: int = 1, pull: float = PULL) -> list[float]:
    """The score of each row by a fit of the folds that it is not in."""
    fold_of = folds(rows, seed=seed)
    scores = [0.0] * len(rows)
    for fold in sorted(set(fold_of)):
        others = [row for row, of in zip(rows, fold_of, strict=True) if of != fold]
        found = fit(others, prior, seed=seed, pull=pull)
        for number, of in enumerate(fold_of):
            if of == fold:
                scores[number] = found.score(rows[number].reading)
    return scores


def platt(scores: Sequence[float], complexes: Sequence[bool], *, rounds: int = 100) -> Calibration:
    """Slope and offset that make *scores* probabilities: maximum likelihood by Newton's method.

    Targets are softened as Platt does (with n of a class, (n + 1) / (n + 2)), so that separable scores stay finite.
    """
    of_complex = sum(complexes)
    high = (of_complex + 1.0) / (of_complex + 2.0)
    low = 1.0 / (len(complexes) - of_complex + 2.0)
    truths = [high if one else low for one in complexes]
    slope, offset = 0.0, log((of_complex + 1.0) / (len(complexes) - of_complex + 1.0))
    loss = _loss(scores, truths, slope, offset)
    for _ in range(rounds):
        down, across = _newton(scores, truths, slope, offset)
        step = 1.0
        while step > 1e-10:
            tried = _loss(scores, truths, slope - step * down, offset - step * across)
            if tried <= loss:
                break
            step /= 2.0
        slope, offset = slope - step * down, offset - step * across
        if loss - tried < 1e-12 * max(1.0, loss):
            break
        loss = tried
    return Calibration(slope, offset)


def _loss(scores: Sequence[float], truths: Sequence[float], slope: float, offset: float) -> float:
    total = 0.0
    for score, truth in zip(scores, truths, strict=True):
        value = slope * score + offset
        # log(1 + e^value) - truth x value, without overflow
        total += (value if value > 0 else 0.0) - truth * value - log(logistic(abs(value)))
    return total


def _newton(scores: Sequence[float], truths: Sequence[float], slope: float, offset: float) -> tuple[float, float]:
    """Gradient through the inverse of the Hessian, which a small ridge keeps invertible."""
    g_slope = g_offset = h_cross = 0.0
    h_slope = h_offset = 1e-9
    for score, truth in zip(scores, truths, strict=True):
        chance = logistic(slope * score + offset)
        error, spread = chance - truth, chance * (1.0 - chance)
        g_slope += error * score
        g_offset += error
        h_slope += spread * score * score
        h_offset += spread
        h_cross += spread * score
    whole = h_slope * h_offset - h_cross * h_cross
    if whole <= 0.0:
        return 0.0, g_offset / h_offset
    return (h_offset * g_slope - h_cross * g_offset) / whole, (h_slope * g_offset - h_cross * g_slope) / whole
