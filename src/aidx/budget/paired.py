"""Two models on the same tasks: what is different, how sure that is, and how many tasks would show less.

The same tasks for both: what both get right or both get wrong says nothing, and the interval comes from the tasks at
which they part. Intervals are exact (Clopper and Pearson 1934), the test is McNemar's, exact.
"""

from collections.abc import Callable, Sequence
from math import ceil, exp, lgamma, log, sqrt
from typing import Final, NamedTuple

from msgspec import Struct

from aidx.budget.divergence import Interval

SURE: Final = 0.95
_Z_SURE: Final = 1.959964  # two-sided 95 %
_Z_POWER: Final = 0.841621  # 80 % of the times that the difference is there
_STEPS: Final = 60


class Pair(NamedTuple):
    """One task: is the answer of the measured model right, of the reference, and are the answers the same?"""

    mine: bool
    reference: bool
    same: bool


class Paired(Struct, frozen=True):
    """*accuracy* and *difference* are shares; *lost* the reference alone got right, *won* the measured model alone.

    *flips* is the share of tasks with different answers, right or wrong; *p* that of McNemar's exact test.
    """

    tasks: int
    accuracy: float
    accuracy_reference: float
    lost: int
    won: int
    difference: float
    difference_ci95: Interval
    flips: float
    flips_ci95: Interval
    p: float


def paired(pairs: Sequence[Pair]) -> Paired:
    """The summary of *pairs*, at least one."""
    count = len(pairs)
    lost = sum(pair.reference and not pair.mine for pair in pairs)
    won = sum(pair.mine and not pair.reference for pair in pairs)
    flips = sum(not pair.same for pair in pairs)
    parted = lost + won
    share = clopper_pearson(won, parted)  # of the tasks at which they part
    return Paired(
        tasks=count,
        accuracy=sum(pair.mine for pair in pairs) / count,
        accuracy_reference=sum(pair.reference for pair in pairs) / count,
        lost=lost,
        won=won,
        difference=(won - lost) / count,
        difference_ci95=_difference(parted, count, share),
        flips=flips / count,
        flips_ci95=clopper_pearson(flips, count),
        p=mcnemar(lost, won),
    )


def _difference(parted: int, count: int, share: Interval) -> Interval:
    """The difference given how often they part: that share of the parted tasks won, the others lost.

    Where they never part, all that is known is that they part rarely (the rule of three, exact).
    """
    if not parted:
        most = clopper_pearson(0, count).high
        return Interval(-most, most)
    part = parted / count
    return Interval(part * (2 * share.low - 1), part * (2 * share.high - 1))


def clopper_pearson(hits: int, count: int) -> Interval:
    """The exact 95 % interval of a share, of which *hits* of *count* were seen."""
    if not count:
        return Interval(0.0, 1.0)
    tail = (1 - SURE) / 2
    low = 0.0 if hits == 0 else _solve(lambda share: 1 - _at_most(hits - 1, count, share), tail)
    high = 1.0 if hits == count else _solve(lambda share: 1 - _at_most(hits, count, share), 1 - tail)
    return Interval(low, high)


def mcnemar(lost: int, won: int) -> float:
    """How likely so uneven a split is where both ways are equally likely; two-sided."""
    return min(1.0, 2 * _at_most(min(lost, won), lost + won, 0.5))


def needed(resolution: float, parted: float) -> int:
    """Tasks that show a *resolution* (a share) with 80 % power, where the models part at a share *parted* of them."""
    parted = max(parted, resolution)
    root = _Z_SURE * sqrt(parted) + _Z_POWER * sqrt(parted - resolution**2)
    return ceil((root / resolution) ** 2)


def _solve(rising: Callable[[float], float], wanted: float) -> float:
    """Where *rising*, which rises with a share, is *wanted*."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _at_most(hits: int, count: int, share: float) -> float:
    """The binomial distribution function."""
    if share <= 0.0 or hits >= count:
        return 1.0
    if share >= 1.0:
        return 0.0
    whole = lgamma(count + 1)
    return min(
        1.0,
        sum(
            exp(
                whole
                - lgamma(each + 1)
                - lgamma(count - each + 1)
                + each * log(share)
                + (count - each) * log(1 - share)
            )
            for each in range(hits + 1)
        ),
    )
