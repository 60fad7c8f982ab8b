"""EXAONE 3 and 3.5: Llama's block, with rotary factors."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Metadata

NAMES = ("exaone",)
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block and one set of rotary factors."""
    return (_blocks.rotary(metadata), *_dense.Variant().tensors(metadata))
