"""Gemma 2: a sliding window in every other block; the output projection is the embedding."""

from aidx.model.arch import _attention, _dense
from aidx.model.spec import Layer, Metadata

NAMES = ("gemma2",)
tensors = _dense.Variant(post_norms=True, output=False).tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The first block slides, the second is global, and so on; 4,096 tokens where the file names no window."""
    return _attention.always_windowed(metadata, period=2, window=4096)
