"""What a quantization has been published to cost: ranges, because the name alone predicts it to a factor of 4.

Mean Kullback-Leibler divergence of the next-token distribution against F16. Sources:

- *README*: llama.cpp ``tools/perplexity/README.md``, Llama-3-8B and Llama-2-7B, wikitext-2.
- *Qwen3-Coder-Next* (80B-A3B) and *Qwen3.5-9B*: community measurements of 2026 on wikitext; three files that
  are all called Q4_K_M lie between 0.0087 and 0.0353 there.
- *Qwen3.6-27B*: the card of sokann/Qwen3.6-27B-GGUF (580 chunks of wiki.test).
- *Gemma-3-27B-QAT*: perplexity, ik_llama.cpp #334.

Models that were trained longer lose more: Q4_K_M costs 0.0127 on Llama-2-7B, 0.0313 on Llama-3-8B and 0.0685 on
Qwen3-Coder-Next. So the range is that of the model's generation where it was measured, and taken over from the
nearest one, widened by what lies between the two, where it was not.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from math import ceil, floor, log10, sqrt
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from aidx.model.spec import Metadata, ModelSpec

Generation = Literal["early", "middle", "late"]


class Loss(Struct, frozen=True):
    """A range of mean Kullback-Leibler divergence, in words too, and where it was published."""

    kld_low: float
    kld_high: float
    quality: str
    source: str


class Measured(Struct, frozen=True):
    """One published value: of a *model* of a *generation*, with or without an importance matrix (``None``: unsaid)."""

    kld: float
    generation: Generation
    imatrix: bool | None
    model: str


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
NAMES_ONLY = 4.0  # three files called Q4_K_M of Qwen3.5-9B: 0.0087, 0.0222, 0.0353
REMARK = "the name of a type predicts it only to a factor of four"
UNKNOWN = Loss(0.0, 1.0, WORST, "nothing published for this type; measure it on your own file with aidx loss")

_README = "llama.cpp tools/perplexity/README.md"
_L2, _L3 = f"Llama-2-7B, {_README}", f"Llama-3-8B, {_README}"
_NATIVE = "the type the model was trained for"
# Perplexity rises by 0.3 % (8.2264 against 8.2021), as it does for Q6_K of Llama-3-8B (0.35 %, divergence 0.0055).
_QAT = Loss(
    0.0055 / 2,
    0.0055 * 2,
    "excellent",
    f"trained for 4 bits (QAT): perplexity +0.3 % (Gemma-3-27B-QAT, ik_llama.cpp #334), read as a divergence in "
    f"{_README}; {REMARK}",
)

# What a generation loses beside the middle one, for the type that was measured in all three (Q4_K_M).
_BESIDE: Mapping[Generation, tuple[float, float]] = MappingProxyType(
    {"early": (1 / 4, 1 / 2), "middle": (1.0, 1.0), "late": (1 / 4, 2.5)}
)
_PLAIN: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        "F32": (0.0, 0.0, "no values are rounded"),
        "F16": (0.0, 0.00055, f"{_README} (the tool's own floor)"),
        "BF16": (0.0, 0.00055, f"{_README} (0.000025 against F16; the tool's own floor)"),
    }
)


def _rows(*rows: tuple[float, Generation, bool | None, str]) -> tuple[Measured, ...]:
    return tuple(Measured(*row) for row in rows)


_PUBLISHED: Mapping[str, tuple[Measured, ...]] = MappingProxyType(
    {
        "Q8_0": _rows((0.000369, "early", False, _L2), (0.001355, "middle", False, _L3)),
        "Q6_K": _rows((0.0021, "early", None, _L2), (0.005452, "middle", None, _L3)),
        "Q5_K_M": _rows((0.010762, "middle", None, _L3), (0.0308, "late", None, "Qwen3-Coder-Next")),
        "Q5_0": _rows((0.022239, "middle", None, _L3)),
        "Q4_K_M": _rows(
            (0.0127, "early", False, _L2),
            (0.028152, "middle", True, _L3),
            (0.031273, "middle", False, _L3),
            (0.0087, "late", True, "Qwen3.5-9B"),
            (0.0353, "late", None, "Qwen3.5-9B"),
            (0.0685, "late", None, "Qwen3-Coder-Next"),
        ),
        "Q4_K_S": _rows(
            (0.031951, "middle", True, _L3), (0.043136, "middle", False, _L3), (0.0108, "late", True, "Qwen3.5-9B")
        ),
        "IQ4_XS": _rows(
            (0.036334, "middle", True, _L3),
            (0.0127, "late", True, "Qwen3.5-9B"),
            (0.0273, "late", True, "Qwen3.6-27B"),
            (0.03345, "late", None, "Qwen3.6-27B"),
        ),
        "MXFP4_MOE": _rows((0.0746, "late", None, "Qwen3-Coder-Next")),
        "Q4_1": _rows((0.071683, "middle", False, _L3)),
        "Q4_0": _rows((0.071940, "middle", False, _L3)),
        "Q3_K_L": _rows((0.073077, "middle", True, _L3)),
        "Q3_K_M": _rows(
            (0.084, "middle", True, _L3), (0.101913, "middle", False, _L3), (0.0588, "late", True, "Qwen3.6-27B")
        ),
        "IQ3_M": _rows((0.102534, "middle", True, _L3)),
        "Q3_K_S": _rows((0.228217, "middle", False, _L3)),
        "Q2_K": _rows((0.109, "early", False, _L2), (0.332, "middle", True, _L3), (0.445132, "middle", False, _L3)),
    }
)

# From the least loss to the most, in the README's table; single files of a smaller type that do better than others of a
# larger one say more about how they were made.
_LADDER = (
    *("Q8_0", "Q6_K", "Q5_K_M", "Q5_0", "Q4_K_M", "Q4_K_S", "IQ4_XS"),
    *("Q4_1", "Q4_0", "Q3_K_L", "Q3_K_M", "IQ3_M", "Q3_K_S", "Q2_K"),
)

# Llama-3-8B, llama.cpp PR #7412: what types of K and V add to the divergence, less the 0.000189 of f16/f16.
CACHE: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("f32", "f32"): 0.0,
        ("f16", "f16"): 0.0,
        ("f16", "q8_0"): 0.000554,
        ("q8_0", "f16"): 0.000755,
        ("q8_0", "q8_0"): 0.000791,
    }
)

# Families that came out in 2025 and 2026, and those before; others are not known.
_LATE = frozenset({"qwen3", "qwen3moe", "qwen3next", "qwen35", "qwen35moe", "gemma4", "gpt-oss", "glm4moe", "mistral3"})
_MIDDLE = frozenset({"llama", "qwen2", "gemma2", "gemma3", "phi3", "smollm3"})
_EARLY_VOCABULARY = 32_768  # Llama, Llama 2 and Mistral 7B have 32,000 to 32,768 tokens, Llama 3 has 128,256


def quality(kld: float) -> str:
    """The word for a mean divergence of *kld*."""
    return next((word for bound, word in QUALITY if kld <= bound), WORST)


def generation(architecture: str, vocab_size: int) -> Generation | None:
    """The generation of models to which those of *architecture* belong; ``None`` where it is not known."""
    if architecture == "llama" and vocab_size <= _EARLY_VOCABULARY:
        return "early"
    if architecture in _LATE:
        return "late"
    return "middle" if architecture in _MIDDLE else None


def published_loss(
    quantization: str, *, of: Generation | None = None, imatrix: bool | None = None, native: bool = False
) -> Loss:
    """What is published for *quantization*, at its worst in words; a wide range when nothing is.

    *of* is the model's generation; *imatrix* whether its file was made with an importance matrix (``None``: not
    known). *native* says that the model was trained in this type (gpt-oss in MXFP4): then nothing was lost.
    """
    name = quantization.upper()
    if native:
        return Loss(0.0, 0.0, quality(0.0), _NATIVE)
    if name in _PLAIN:
        low, high, source = _PLAIN[name]
        return Loss(low, high, quality(high), source)
    if name not in _PUBLISHED:
        return UNKNOWN
    own = _range(name, of, imatrix)
    larger = [other for other in _LADDER[: rung(name)] if _measured(other, of)]
    high = max([own.kld_high, *(_range(other, of, imatrix).kld_high for other in larger)])
    least = "up to what a larger type was measured to cost; " if high > own.kld_high else ""
    return Loss(own.kld_low, high, quality(high), f"{own.source}; {least}{REMARK}")


def rung(quantization: str) -> int:
    """The place of a type in the order of what it loses, from 0; 0 too where it has none (native and plain types)."""
    name = quantization.upper()
    return _LADDER.index(name) if name in _LADDER else 0


def _measured(name: str, of: Generation | None) -> bool:
    return of is None or any(row.generation == of for row in _PUBLISHED[name])


def _range(name: str, of: Generation | None, imatrix: bool | None) -> Loss:  # noqa: FBT001 - three states, one meaning
    """What was published for this type alone."""
    rows = _PUBLISHED[name]
    if of is not None and not _measured(name, of):
        return _taken_over(rows, of)
    rows = tuple(row for row in rows if of in {None, row.generation})
    known = tuple(row for row in rows if imatrix is None or row.imatrix in {None, imatrix})
    low, high = _wide(known or rows)
    return Loss(low, high, quality(high), _models(known or rows))


def _taken_over(rows: tuple[Measured, ...], of: Generation) -> Loss:
    """From the middle generation, which every type was measured in, but for those that only another was."""
    nearest = tuple(row for row in rows if row.generation == "middle") or rows
    low, high = _wide(nearest)
    less, more = _BESIDE[of] if nearest[0].generation == "middle" else (1 / NAMES_ONLY, NAMES_ONLY)
    source = f"{_models(nearest)}, x {less:g} to {more:g} for a model of another generation"
    low, high = _outwards(low * less, high * more)
    return Loss(low, high, quality(high), source)


def _wide(rows: tuple[Measured, ...]) -> tuple[float, float]:
    """From the least to the most of *rows*, and as wide as a name is vague."""
    low, high = min(row.kld for row in rows), max(row.kld for row in rows)
    if high >= NAMES_ONLY * low:
        return low, high
    middle = sqrt(low * high)
    return _outwards(middle / sqrt(NAMES_ONLY), middle * sqrt(NAMES_ONLY))


def _outwards(low: float, high: float) -> tuple[float, float]:
    """Two digits each, because a factor of four has no more, and no value that was inside left out."""
    return _digits(low, floor), _digits(high, ceil)


def _digits(kld: float, cut: Callable[[float], int]) -> float:
    places = 1 - floor(log10(kld))
    scale = 10.0**places
    return round(cut(kld * scale) / scale, places)


def _models(rows: Iterable[Measured]) -> str:
    return "; ".join(dict.fromkeys(row.model for row in rows))


def model_loss(model: ModelSpec) -> Loss:
    """What *model*'s quantization is published to cost it; importance matrix and training are read from its header.

    A file that llama-quantize made with an importance matrix says so (``quantize.imatrix.*``). What was measured of
    the file itself stands in place of anything published.
    """
    if (own := model.measured_loss) is not None:
        return Loss(own.kld_low, own.kld_high, own.quality, own.source)
    metadata, name = model.header.metadata, model.quantization
    if model.architecture == "gpt-oss" and name == "MXFP4_MOE":
        return published_loss(name, native=True)
    if name == "Q4_0" and trained_quantized(model.name, metadata):
        return _QAT
    made_with = importance_matrix(metadata)
    of = generation(model.architecture, model.vocab_size)
    loss = published_loss(name, of=of, imatrix=None if made_with is None else True)
    if made_with is None:
        return loss
    return Loss(loss.kld_low, loss.kld_high, loss.quality, f"{loss.source}; made with {made_with}")


def importance_matrix(metadata: Metadata) -> str | None:
    """The importance matrix that a file was made with, in words; ``None`` where its header names none."""
    if not any(key.startswith("quantize.imatrix.") for key in metadata):
        return None
    chunks = metadata.get("quantize.imatrix.chunks_count")
    of = f" of {chunks} chunks" if isinstance(chunks, int) else ""
    return f"an importance matrix{of}"


def trained_quantized(name: str, metadata: Metadata) -> bool:
    """Whether a model says of itself that it was trained for its quantization (``-qat``)."""
    told = (name, metadata.get("general.name"), metadata.get("general.finetune"), metadata.get("general.basename"))
    return any("qat" in re.split(r"[^a-z0-9]+", text.lower()) for text in told if isinstance(text, str))
