"""Mellum 2: Qwen 3's experts with windows in three blocks of four."""

from aidx.model.arch import _attention, _dense
from aidx.model.spec import Layer, Metadata

NAMES = ("mellum",)
tensors = _dense.Variant(head_norm=True).tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Three sliding blocks, then a global one, where the file names a window."""
    return _attention.windowed(metadata, period=4)
