"""Mamba 2: no attention at all; heads with one decay each, and B and C in groups."""

from aidx.model.arch import _ssm
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("mamba2",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The same state in every block, whatever the context."""
    return _ssm.only(metadata, _ssm.sizes(metadata, grouped=True))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """A norm and a mixer a block; no feed-forward part."""
    return _ssm.only_tensors(metadata, _ssm.sizes(metadata, grouped=True))
