"""Apertus: no gate; a norm over each query and key head; rotary factors."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Metadata

NAMES = ("apertus",)
_VARIANT = _dense.Variant(head_norm=True, gate="none")
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The block without a gate, and one set of rotary factors."""
    return (_blocks.rotary(metadata), *_VARIANT.tensors(metadata))
