"""Phi 3.5 MoE: experts as wide as the feed-forward length says; biases; rotary factors for long contexts."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Metadata

NAMES = ("phimoe",)
_VARIANT = _dense.Variant(
    norm_bias=True, bias=True, output_bias=True, routed_inner="feed_forward_length", output_head_bias=True
)
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Two sets of rotary factors beside the blocks."""
    return (*_blocks.long_rotary(metadata), *_VARIANT.tensors(metadata))
