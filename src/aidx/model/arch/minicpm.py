"""MiniCPM 1 and 4: Llama's block; the fourth stores two sets of rotary factors."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.blank import Blank
from aidx.model.metadata import full_key
from aidx.model.spec import Metadata

NAMES = ("minicpm",)
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block, with rotary factors where the file says LongRoPE."""
    long = metadata.get(full_key(metadata, "rope.scaling.type")) == "longrope"
    return (*(_blocks.long_rotary(metadata) if long else ()), *_dense.Variant().tensors(metadata))
