"""What a checkpoint becomes as GGUF: the tensors of its conversion, checked against its own."""

from collections.abc import Mapping
from math import prod
from typing import Final

from msgspec import Struct

from aidx.errors import InputError
from aidx.model import arch
from aidx.model.blank import Blank
from aidx.model.blueprint import present
from aidx.model.metadata import vocab_size
from aidx.model.safetensors.config import Config
from aidx.model.safetensors.families import FAMILIES, Family, metadata
from aidx.model.safetensors.header import Weight
from aidx.model.spec import Metadata

_OTHER_PARTS: Final = ("vision_tower", "vision_model", "multi_modal_projector", "visual", "audio_tower")
_MADE: Final = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""Tensors that converters compute from the configuration."""

_HINT: Final = "Plan a GGUF file of the model."


class Converted(Struct, frozen=True):
    """The conversion: *metadata*, *blanks*, the type that the converter chooses by itself, *left_out* weights."""

    metadata: Metadata
    blanks: tuple[Blank, ...]
    native: str
    left_out: int


def convert(config: Config, weights: Mapping[str, Weight]) -> Converted:
    """The conversion of the checkpoint of *weights*; raises ``InputError`` where it is not known to the weight.

    The number of weights must be the same on both sides: a family that differs in a detail is refused rather
    than planned wrongly.
    """
    family = FAMILIES.get(config.architecture)
    if family is None:
        raise InputError(
            f"checkpoints of {config.architecture[:60]} are not planned (planned: {', '.join(sorted(FAMILIES))})",
            hint=_HINT,
        )
    if config.quantized is not None:
        raise InputError(
            f"the checkpoint is quantized already ({config.quantized})",
            hint="Name the repository that it was made from, or a GGUF file.",
        )
    text = config.text
    keys = metadata(text, family)
    language = {name: weight for name, weight in weights.items() if _is_language(name)}
    made = arch.find(family.gguf)
    assert made is not None, family.gguf
    blanks = present(made.tensors(keys), _absent(text, family, language))
    _check(blanks, language, family, vocab_size(keys))
    left_out = sum(weight.elements for weight in weights.values()) - sum(each.elements for each in language.values())
    return Converted(keys, blanks, _native(language), left_out)


def _is_language(name: str) -> bool:
    parts = name.split(".")
    return not any(part in _OTHER_PARTS for part in parts) and not name.endswith("rotary_emb.inv_freq")


def _absent(config: Config, family: Family, weights: Mapping[str, Weight]) -> frozenset[str]:
    missing = set()
    if family.tied or not any(name.endswith("lm_head.weight") for name in weights):
        missing.add("output.weight")
    if config.rope.word("rope_type", "type") != "llama3":
        missing.add("rope_freqs.weight")
    return frozenset(missing)


def _check(blanks: tuple[Blank, ...], weights: Mapping[str, Weight], family: Family, vocabulary: int) -> None:
    ours = sum(prod(blank.shape) for blank in blanks if blank.name not in _MADE)
    theirs = sum(_kept(name, weight, family, vocabulary) for name, weight in weights.items())
    if ours != theirs:
        raise InputError(
            f"config.json describes {ours:,} weights, the checkpoint holds {theirs:,}",
            hint=f"It is no plain {family.gguf} model, or files are missing. {_HINT}",
            code="weights_disagree",
        )


def _kept(name: str, weight: Weight, family: Family, vocabulary: int) -> int:
    if family.tied and name.endswith("lm_head.weight"):
        return 0
    if family.cuts and name.endswith("embed_tokens.weight") and weight.shape and weight.shape[0] > vocabulary:
        return weight.elements // weight.shape[0] * vocabulary
    return weight.elements


def _native(weights: Mapping[str, Weight]) -> str:
    """``--outtype auto``: F16 for a checkpoint in F16, else BF16, by its first tensor."""
    first = next(iter(weights.values()), None)
    return "F16" if first is not None and first.dtype == "F16" else "BF16"
