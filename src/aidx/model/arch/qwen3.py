"""Qwen 3: a norm over each query and key head instead of biases; heads of a length of their own."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("qwen3",)
_VARIANT = _dense.Variant(head_norm=True)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block with head norms; small ones have no output projection."""
    return _dense.tensors(metadata, _VARIANT)
