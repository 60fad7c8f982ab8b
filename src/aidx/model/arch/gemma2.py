"""Gemma 2: a sliding window in every other block; the output projection is the embedding."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("gemma2",)
_VARIANT = _dense.Variant(post_norms=True, output=False)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The first block slides, the second is global, and so on."""
    return _attention.windowed(metadata, period=2)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block with norms after each part."""
    return _dense.tensors(metadata, _VARIANT)
