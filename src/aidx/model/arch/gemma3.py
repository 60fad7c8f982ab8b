"""Gemma 3: sliding windows in five blocks of six; the output projection is the embedding."""

from aidx.model.arch import _attention, _dense
from aidx.model.spec import Layer, Metadata

NAMES = ("gemma3",)
tensors = _dense.Variant(head_norm=True, post_norms=True, output=False).tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Five sliding blocks, then a global one."""
    return _attention.windowed(metadata, period=6)
