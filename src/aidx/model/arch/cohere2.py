"""Command R7B: one norm a block, windows in three blocks of four; the output projection is the embedding."""

from aidx.model.arch import _attention, _dense
from aidx.model.spec import Layer, Metadata

NAMES = ("cohere2",)
tensors = _dense.Variant(norms=("attn_norm",), output=False).tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Three sliding blocks, then a global one."""
    return _attention.always_windowed(metadata, period=4)
