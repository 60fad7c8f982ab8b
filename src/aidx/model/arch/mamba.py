"""Mamba and Falcon Mamba: no attention at all, a convolution's and a matrix's state in every block."""

from aidx.model.arch import _ssm
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("mamba",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The same state in every block, whatever the context."""
    return _ssm.only(metadata, _ssm.sizes(metadata, grouped=False))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """A norm and a mixer a block; no feed-forward part."""
    return _ssm.only_tensors(metadata, _ssm.sizes(metadata, grouped=False))
