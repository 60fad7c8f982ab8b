"""EXAONE 4: norms only after the parts; windows in three blocks of four, in the 32B alone."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.blank import Blank
from aidx.model.metadata import trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("exaone4",)
_VARIANT = _dense.Variant(norms=(), post_norms=True, head_norm=True)
_SLIDING = 64  # blocks of the 32B; llama.cpp knows it by them


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Three sliding blocks, then a global one, in models of 64 blocks; else no window, whatever the file says."""
    if trunk_count(metadata) != _SLIDING:
        return _attention.layers(metadata)
    return _attention.always_windowed(metadata, period=4, window=4096)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The block with norms after its parts, and rotary factors."""
    return (_blocks.rotary(metadata), *_VARIANT.tensors(metadata))
