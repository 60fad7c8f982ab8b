"""Qwen 3.5 and 3.6 with experts: Gated DeltaNet as in the dense ones, with a shared expert."""

from aidx.model.arch import _delta
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("qwen35moe",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Every fourth block has a K and a V, the others a state."""
    return _delta.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The hybrid's tensors with separate gates."""
    return _delta.tensors(metadata, _delta.separate_gates)
