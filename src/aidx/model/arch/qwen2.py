"""Qwen 2 and 2.5: biases on Q, K and V; heads are always the embedding divided by their number."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("qwen2",)
_VARIANT = _dense.Variant(bias=True)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block with biases; small ones have no output projection."""
    return _dense.tensors(metadata, _VARIANT)
