"""What a quantization has been published to cost: ranges, because the name alone predicts it to a factor of 4.

Mean Kullback-Leibler divergence of the next-token distribution against F16. Sources:

- *README*: llama.cpp ``tools/perplexity/README.md``, Llama-3-8B and Llama-2-7B, wikitext-2.
- *Qwen3-Coder-Next* (80B-A3B) and *Qwen3.5-9B*: community measurements of 2026 on wikitext; three files that
  are all called Q4_K_M lie between 0.0087 and 0.0353 there.
- *Qwen3.6-27B*: the card of sokann/Qwen3.6-27B-GGUF (580 chunks of wiki.test).

Where one value only is published it is widened by `SPREAD`, the factor between Llama-2-7B and Llama-3-8B on
one side, and between Llama-3-8B and Qwen3-Coder-Next on the other, for the type that has all three (Q4_K_M:
0.0127, 0.0313, 0.0685).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Loss:
    """A range of mean Kullback-Leibler divergence, in words too, and where it was published."""

    kld_low: float
    kld_high: float
    quality: str
    source: str


# Upper bound of the mean divergence, word. Reasons, all from the README's table unless named:
# 0.001: the tool's own floor, F16 against its stored logits shows 0.00055; 0.01: Q8_0 and Q6_K, at least 96 %
# of first choices agree; 0.075: Q4_K_M, about 90 % agree, and task scores of Llama-3.1-8B stay within 0.5
# points (arXiv 2601.14277); 0.25: Q3_K_S, GSM8K falls from 78 to 68 there; above: Q2_K, 71 % agree.
QUALITY: tuple[tuple[float, str], ...] = (
    (0.001, "reference"),
    (0.01, "excellent"),
    (0.075, "good"),
    (0.25, "fair"),
)
WORST = "poor"
SPREAD = 2.5
UNKNOWN = Loss(0.0, 1.0, WORST, "nothing published for this type; measure it on your own file with aidx loss")

_README = "llama.cpp tools/perplexity/README.md"
_ONE = f"{_README} (Llama-3-8B), widened by {SPREAD} both ways"
_ONE_IMATRIX = f"{_README} (Llama-3-8B, with an importance matrix), widened by {SPREAD} both ways"
_NATIVE = "the type the model was trained for"

_SINGLE: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "Q5_0": (0.022239, _ONE),
        "Q4_1": (0.071683, _ONE),
        "Q4_0": (0.071940, _ONE),
        "Q3_K_L": (0.073077, _ONE_IMATRIX),
        "Q3_K_S": (0.228217, _ONE),
        "IQ3_M": (0.102534, _ONE_IMATRIX),
    }
)
_RANGES: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        "F32": (0.0, 0.0, "no values are rounded"),
        "F16": (0.0, 0.00055, f"{_README} (the tool's own floor)"),
        "BF16": (0.0, 0.00055, f"{_README} (0.000025 against F16; the tool's own floor)"),
        "Q8_0": (0.000369, 0.001355, f"{_README} (Llama-2-7B, Llama-3-8B)"),
        "Q6_K": (0.0021, 0.005452, f"{_README} (Llama-2-7B, Llama-3-8B)"),
        "Q5_K_M": (0.010762, 0.0308, f"{_README} (Llama-3-8B), Qwen3-Coder-Next"),
        "Q4_K_M": (0.0087, 0.0685, f"{_README}, Qwen3.5-9B, Qwen3-Coder-Next"),
        "Q4_K_S": (0.0108, 0.043136, f"{_README} (Llama-3-8B), Qwen3.5-9B"),
        "IQ4_XS": (0.0127, 0.036334, f"{_README} (Llama-3-8B), Qwen3.5-9B, Qwen3.6-27B"),
        "Q3_K_M": (0.0588, 0.101913, f"{_README} (Llama-3-8B), Qwen3.6-27B"),
        "Q2_K": (0.109, 0.445132, f"{_README} (Llama-2-7B, Llama-3-8B)"),
    }
)


def quality(kld: float) -> str:
    """The word for a mean divergence of *kld*."""
    return next((word for bound, word in QUALITY if kld <= bound), WORST)


def published_loss(quantization: str, *, native: bool = False) -> Loss:
    """What is published for *quantization*, at its worst in words; a wide range when nothing is.

    *native* says that the model was trained in this type (gpt-oss in MXFP4): then nothing was lost.
    """
    name = quantization.upper()
    if native:
        return Loss(0.0, 0.0, quality(0.0), _NATIVE)
    if name in _RANGES:
        low, high, source = _RANGES[name]
        return Loss(low, high, quality(high), source)
    if name in _SINGLE:
        value, source = _SINGLE[name]
        return Loss(value / SPREAD, value * SPREAD, quality(value * SPREAD), source)
    return UNKNOWN
