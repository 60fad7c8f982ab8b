"""Grok 1 and 2: eight experts, in Grok 2 beside a dense part; norms before and after each part."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Metadata


def _beside(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    """Grok 2's dense part."""
    return _blocks.gated(il, read_int(metadata, "embedding_length"), read_int(metadata, "feed_forward_length"))


NAMES = ("grok",)
layers = _attention.layers
tensors = _dense.Variant(
    norms=("attn_norm", "attn_output_norm", "ffn_norm", "layer_output_norm"), besides=_beside
).tensors
