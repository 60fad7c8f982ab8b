"""Gemma 3: sliding windows in five blocks of six; the output projection is the embedding."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("gemma3",)
_VARIANT = _dense.Variant(head_norm=True, post_norms=True, output=False)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Five sliding blocks, then a global one."""
    return _attention.windowed(metadata, period=6)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block with head norms and norms after each part."""
    return _dense.tensors(metadata, _VARIANT)
