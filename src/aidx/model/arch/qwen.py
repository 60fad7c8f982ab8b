"""Qwen 1: one fused tensor of equal Q, K and V; its feed-forward length counts gate and up together."""

from aidx.model.arch import _attention, _blocks
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Metadata

NAMES = ("qwen",)
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Gate and up are each half as wide as the feed-forward length."""
    width = read_int(metadata, "embedding_length")
    both = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_blocks.attention(il, width, of, bias=True, fused=True),
            *_blocks.gated(il, width, both[il] // 2),
        )
    return tuple(found)
