"""BLOOM: a norm right after the embedding, distance biases instead of rotary positions."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Metadata

NAMES = ("bloom",)
_VARIANT = _dense.Variant(norm_bias=True, fused=True, bias=True, output_bias=True, gate="none", inner_bias=True)
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Fused blocks with biases everywhere."""
    shape = (read_int(metadata, "embedding_length"),)
    first = (Blank("token_embd_norm.weight", shape, "f32"), Blank("token_embd_norm.bias", shape, "f32"))
    return (*first, *_VARIANT.tensors(metadata))
