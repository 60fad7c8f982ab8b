"""Snowflake Arctic: a dense part as wide as the embedding beside many experts, each with a norm of its own."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Metadata


def _beside(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return _blocks.gated(il, width, width)


NAMES = ("arctic",)
layers = _attention.layers
tensors = _dense.Variant(
    norms=("attn_norm", "ffn_norm", "ffn_norm_exps"), routed_inner="feed_forward_length", besides=_beside
).tensors
