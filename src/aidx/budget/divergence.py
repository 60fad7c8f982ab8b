"""What quantizing cost, from what two models think of the same tokens: means, tails, and how sure they are.

The Kullback-Leibler divergence of the next-token distribution is the primary figure, since it cannot be better than
nothing; a perplexity can fall below the reference's (an importance matrix may overfit it). Tokens of one passage are
alike, so that confidence comes from a bootstrap over blocks of them and not over tokens. As llama-perplexity does, a
window is read whole and its second half is scored: each token with at least half a window before it.
"""

from collections.abc import Callable, Sequence
from math import exp
from typing import Final, NamedTuple

from msgspec import Struct

BLOCK: Final = 64  # scored tokens that are drawn together
RESAMPLES: Final = 2000
SURE: Final = 0.95

# Upper bound of the mean divergence, word: from published tables of Llama-3-8B and models of 2026 (llama.cpp
# tools/perplexity/README.md): Q8_0 0.0014; Q6_K 0.0055; Q4_K_M 0.031; Q4_0 0.072; Q3_K_M 0.10; Q2_K 0.45.
GRADES: Final = (
    (0.002, "lossless"),
    (0.01, "excellent"),
    (0.035, "good"),
    (0.08, "degraded"),
    (0.2, "poor"),
)
WORST: Final = "broken"

Pick = Callable[[int], int]
"""A number from 0 up to below its argument: chance is handed in."""


class Scored(NamedTuple):
    """One token, in nats: its negative log-likelihood by the measured model and by the reference.

    *kld* is the divergence of their two distributions before it, *same* whether their first choice is the same.
    *bound* is what the divergence is at least, where it was not taken over the whole vocabulary.
    """

    nll: float
    nll_reference: float
    kld: float
    same: bool
    bound: float | None = None


class Top(NamedTuple):
    """What a model thinks before one token whose negative log-likelihood is *nll*, in natural logarithms.

    The likeliest tokens, best first, and some of the others, each drawn as likely as the model takes it for.
    """

    nll: float
    ids: list[int]
    shares: list[float]
    drawn: list[int]
    drawn_shares: list[float]


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


class Divergence(Struct, frozen=True):
    """The summary of a measurement over *tokens* scored tokens.

    *at_least* where divergences are lower bounds; *kld_bound* is the bound where they are estimates.
    """

    tokens: int
    kld_mean: float
    kld_ci95: Interval
    kld_p999: float
    top1_agreement: float
    top1_ci95: Interval
    ppl: float
    ppl_reference: float
    ppl_ratio_ci95: Interval
    at_least: bool = False
    kld_bound: float | None = None

    @property
    def quality(self) -> str:
        """The word for it."""
        return grade(self.kld_mean)


def grade(kld: float) -> str:
    """The word for a measured mean divergence."""
    return next((word for bound, word in GRADES if kld <= bound), WORST)


def windows(tokens: Sequence[int], size: int, bos: int | None, most: int | None = None) -> tuple[tuple[int, ...], ...]:
    """Whole windows of *size* tokens, at most *most*; a *bos* takes the place of the first of each."""
    starts = range(0, len(tokens) - size + 1, size)[: most or None]
    cut = (tuple(tokens[start : start + size]) for start in starts)
    return tuple(cut) if bos is None else tuple((bos, *window[1:]) for window in cut)


def first_scored(size: int) -> int:
    """The position in a window of *size* from which the following token is scored."""
    return size // 2


def summarise(scored: Sequence[Scored], pick: Pick, *, at_least: bool = False) -> Divergence:
    """The summary of *scored*, in text order; *pick* draws the blocks of the bootstrap."""
    blocks = [_sums(scored[start : start + BLOCK]) for start in range(0, len(scored), BLOCK)]
    drawn = [_total([blocks[pick(len(blocks))] for _ in blocks]) for _ in range(RESAMPLES)]
    whole = _total(blocks)
    return Divergence(
        tokens=len(scored),
        kld_mean=whole.kld / whole.tokens,
        kld_ci95=interval([each.kld / each.tokens for each in drawn]),
        kld_p999=quantile(sorted(each.kld for each in scored), 0.999),
        top1_agreement=whole.same / whole.tokens,
        top1_ci95=interval([each.same / each.tokens for each in drawn]),
        ppl=exp(whole.nll / whole.tokens),
        ppl_reference=exp(whole.nll_reference / whole.tokens),
        ppl_ratio_ci95=interval([exp((each.nll - each.nll_reference) / each.tokens) for each in drawn]),
        at_least=at_least,
        kld_bound=_bound(scored),
    )


def _bound(scored: Sequence[Scored]) -> float | None:
    bounds = [each.bound for each in scored if each.bound is not None]
    return sum(bounds) / len(bounds) if bounds else None


def more_loss(one: Sequence[Scored], other: Sequence[Scored], pick: Pick) -> Interval:
    """How much larger the mean divergence of *other* is than that of *one*, over the same tokens, block by block."""
    gaps = [b.kld - a.kld for a, b in zip(one, other, strict=True)]
    blocks = [gaps[start : start + BLOCK] for start in range(0, len(gaps), BLOCK)]
    sums = [(sum(block), len(block)) for block in blocks]
    means = []
    for _ in range(RESAMPLES):
        drawn = [sums[pick(len(sums))] for _ in sums]
        means.append(sum(each for each, _ in drawn) / sum(count for _, count in drawn))
    return interval(means)


class _Sums(NamedTuple):
    tokens: int
    nll: float
    nll_reference: float
    kld: float
    same: int


def _sums(block: Sequence[Scored]) -> _Sums:
    return _Sums(
        len(block),
        sum(each.nll for each in block),
        sum(each.nll_reference for each in block),
        sum(each.kld for each in block),
        sum(each.same for each in block),
    )


def _total(blocks: Sequence[_Sums]) -> _Sums:
    return _Sums(*(sum(column) for column in zip(*blocks, strict=True)))


def interval(values: Sequence[float]) -> Interval:
    """The middle 95 % of bootstrapped *values*."""
    ordered = sorted(values)
    return Interval(quantile(ordered, (1 - SURE) / 2), quantile(ordered, (1 + SURE) / 2))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which *share* of the *ordered* values lie, between two of them in proportion."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
