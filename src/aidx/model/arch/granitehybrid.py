"""Granite 4 H and Bamba: few attention blocks among Mamba 2 blocks, with or without experts."""

from aidx.model.arch import _attention, _blocks, _ssm
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("granitehybrid",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V in a block with KV heads, a state in the others."""
    return _ssm.alternating(metadata, _ssm.sizes(metadata, grouped=True))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Two norms a block; with experts, one expert sees every token."""
    width = read_int(metadata, "embedding_length")
    of = _ssm.sizes(metadata, grouped=True)
    found = list(_blocks.ends(metadata))
    for il, heads in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *(_blocks.attention(il, width, heads) if heads.kv else _ssm.mamba2(il, width, of)),
            *_feed_forward(il, metadata),
        )
    return tuple(found)


def _feed_forward(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    if not find_int(metadata, "expert_count"):
        return _blocks.gated(il, width, read_ints(metadata, "feed_forward_length", block_count(metadata))[il])
    shared = find_int(metadata, "expert_shared_feed_forward_length") or 0
    return (
        *_blocks.experts(il, metadata),
        *(_blocks.gated(il, width, shared, suffix="_shexp") if shared else ()),
    )
