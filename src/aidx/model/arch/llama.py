"""Llama and what shares its block (Mistral, Mixtral, Falcon 3); from 3.1 on it stores rotary factors."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.metadata import find_int
from aidx.model.spec import Layer, Metadata

NAMES = ("llama",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block; ``rope_freqs.weight`` is there from Llama 3.1 on, which no metadata key says."""
    rotary = find_int(metadata, "rope.dimension_count") or _attention.heads(metadata)[0].key_dim
    return (
        Blank("rope_freqs.weight", (rotary // 2,), "f32"),
        *_dense.tensors(metadata, _dense.Variant()),
    )
