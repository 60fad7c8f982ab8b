"""Qwen 3 with experts in every block and none that is shared; attention as in Qwen 3."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("qwen3moe",)
_VARIANT = _dense.Variant(head_norm=True)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The Qwen 3 block with a router and stacked experts."""
    return _dense.tensors(metadata, _VARIANT)
