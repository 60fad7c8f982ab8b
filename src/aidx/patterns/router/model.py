"""The classifier: a score from integers, a calibrated probability, and what it was made of."""

from collections.abc import Sequence
from math import exp
from typing import Literal, NamedTuple
from zlib import crc32

from msgspec import Struct

from aidx.patterns.router.features import NAMES, ONE, PLACES, named, read

Label = Literal["simple", "complex"]
UNIT = 1 << 12  # of a weight: 1.0
_WHOLE = UNIT * ONE


class Calibration(Struct, frozen=True):
    """Platt's two numbers: the probability is that of ``slope x score + offset`` on the logistic curve."""

    slope: float = 1.0
    offset: float = 0.0

    def probability(self, score: float) -> float:
        """Between 0 and 1, for any *score*."""
        return logistic(self.slope * score + self.offset)


class Measured(Struct, frozen=True):
    """How good a router was on prompts that it had not seen: those of the other folds, or a held-out file."""

    prompts: int
    auc: float
    auc_low: float
    auc_high: float
    auc_prompt_length: float
    brier: float
    ece: float
    missed_complex_rate: float
    escalation_rate: float


class Reason(NamedTuple):
    """What one feature added to the score, before calibration; positive is towards ``complex``."""

    name: str
    value: float
    adds: float


class Gatekept(Struct, frozen=True):
    """What makes verdicts of the gatekeeper *model* probabilities, and what they were worth."""

    model: str
    calibration: Calibration
    threshold: float
    measured: Measured


class Router(Struct, frozen=True):
    """A trained classifier. *weights* are in 1/`UNIT`, by place; *about* says in words what it was trained on.

    *seen* are the fingerprints of those prompts: what it says of them proves nothing.
    """

    weights: tuple[int, ...]
    bias: int
    calibration: Calibration
    threshold: float
    about: str
    measured: Measured | None = None
    gatekeeper: Gatekept | None = None
    seen: frozenset[int] = frozenset()

    def score(self, prompt: str) -> float:
        """The logit before calibration; the same on every machine."""
        reading, weights = read(prompt), self.weights
        shaped = sum([value * weights[place] for place, value in enumerate(reading.shape.values())])
        words = reading.each * sum([weights[place] for place in reading.grams])
        return (shaped + words + self.bias * ONE) / _WHOLE

    def probability(self, prompt: str) -> float:
        """The share of prompts like this one that are complex, calibrated."""
        return self.calibration.probability(self.score(prompt))

    def escalates(self, probability: float) -> bool:
        """Whether a prompt of this *probability* is for the larger model."""
        return probability >= self.threshold

    def reasons(self, prompt: str) -> list[Reason]:
        """What each feature of *prompt* added, the largest first."""
        found = [
            Reason(name, value / ONE, value * self.weights[place] / _WHOLE) for name, place, value in named(prompt)
        ]
        return sorted((one for one in found if one.adds), key=lambda one: (-abs(one.adds), one.name))


def fingerprint(prompt: str) -> int:
    """Tells one prompt from another, but for one pair in four thousand millions; nothing can be read from it."""
    return crc32(prompt.encode("utf-8", "surrogatepass"))


def from_floats(weights: Sequence[float], bias: float) -> tuple[tuple[int, ...], int]:
    """Weights and bias in 1/`UNIT`."""
    assert len(weights) == PLACES, (len(weights), len(NAMES))
    return tuple(round(weight * UNIT) for weight in weights), round(bias * UNIT)


def logistic(value: float) -> float:
    """1 / (1 + e^-value), without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + exp(-value))
    power = exp(max(value, -700.0))
    return power / (1.0 + power)
