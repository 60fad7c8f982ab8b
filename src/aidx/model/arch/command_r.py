"""Command R and R+: one norm a block; the output projection is the embedding; the largest have head norms."""

from msgspec.structs import replace

from aidx.model.arch import _attention, _dense
from aidx.model.blank import Blank
from aidx.model.metadata import block_count
from aidx.model.spec import Metadata

NAMES = ("command-r",)
_VARIANT = _dense.Variant(norms=("attn_norm",), output=False, over="each")
_NORMED = 64  # blocks from which llama.cpp wants a norm for each head
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The plain block, with norms of its heads in models of 64 blocks or more (R+)."""
    return replace(_VARIANT, head_norm=block_count(metadata) >= _NORMED).tensors(metadata)
