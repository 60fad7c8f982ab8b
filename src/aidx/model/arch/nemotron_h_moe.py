"""Nemotron 3 Nano, Super and Puzzle: like Nemotron H with experts; files may end with a block that predicts ahead."""

from aidx.model.arch import _nemotron
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("nemotron_h_moe",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A cache, a state or nothing, by the widths and KV heads of each block."""
    return _nemotron.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """One norm a block and what it is."""
    return _nemotron.tensors(metadata)
