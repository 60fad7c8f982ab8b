"""Ministral 3 and Devstral 2: Llama's block; long contexts by YaRN, so no factors are stored."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("mistral3",)
_VARIANT = _dense.Variant()


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block; the 3B has no output projection."""
    return _dense.tensors(metadata, _VARIANT)
