"""SmolLM 3: Llama's block; every fourth one goes without rotary positions, which costs nothing."""

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("smollm3",)
_VARIANT = _dense.Variant()


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block; the 3B has no output projection."""
    return _dense.tensors(metadata, _VARIANT)
