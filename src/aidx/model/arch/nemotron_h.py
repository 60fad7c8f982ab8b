"""Nemotron H and Nemotron Nano 2: dense feed-forward parts, Mamba 2 and a few attention blocks, one thing a block."""

from aidx.model.arch import _nemotron
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("nemotron_h",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A cache, a state or nothing, by the widths and KV heads of each block."""
    return _nemotron.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """One norm a block and what it is."""
    return _nemotron.tensors(metadata)
