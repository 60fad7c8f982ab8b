"""Nemotron H: each block is one thing only, a Mamba 2 mixer, attention or a feed-forward part.

A block with a feed-forward width is that; of the others, those with KV heads have attention.
"""

from aidx.model.arch import _attention, _blocks, _ssm
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, find_ints, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A cache, a state or nothing."""
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    both = _ssm.alternating(metadata, _ssm.sizes(metadata, grouped=True))
    return tuple(Layer() if wide else layer for wide, layer in zip(inner, both, strict=False))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """One norm a block and what it is; a block that predicts ahead has attention and experts."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    of = _ssm.sizes(metadata, grouped=True)
    trunk = trunk_count(metadata)
    found = list(_blocks.ends(metadata))
    for il, heads in enumerate(_attention.heads(metadata)):
        found += _blocks.norms(il, width, "attn_norm")
        if il >= trunk:
            found += (*_blocks.attention(il, width, heads), *_ahead(il, metadata))
        elif inner[il]:
            found += _experts(il, metadata) if find_int(metadata, "expert_count") else _mlp(il, width, inner[il])
        else:
            found += _blocks.attention(il, width, heads) if heads.kv else _ssm.mamba2(il, width, of)
    return tuple(found)


def _mlp(il: int, width: int, inner: int, suffix: str = "") -> tuple[Blank, ...]:
    """Up and down without a gate."""
    return (
        Blank(f"blk.{il}.ffn_up{suffix}.weight", (width, inner)),
        Blank(f"blk.{il}.ffn_down{suffix}.weight", (inner, width)),
    )


def _experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """Experts without gates, in a narrower space where the file has one, and one that sees every token."""
    width = read_int(metadata, "embedding_length")
    count = read_int(metadata, "expert_count")
    latent = find_int(metadata, "moe_latent_size") or 0
    inner, outer = _expert_inner(il, metadata), latent or width
    return (
        Blank(f"blk.{il}.ffn_gate_inp.weight", (width, count), "f32"),
        *_blocks.expert_bias(il, metadata),
        *_latent(il, width, latent),
        Blank(f"blk.{il}.ffn_up_exps.weight", (outer, inner, count)),
        Blank(f"blk.{il}.ffn_down_exps.weight", (inner, outer, count)),
        *_mlp(il, width, read_int(metadata, "expert_shared_feed_forward_length"), "_shexp"),
    )


def _latent(il: int, width: int, latent: int) -> tuple[Blank, ...]:
    if not latent:
        return ()
    return (
        Blank(f"blk.{il}.ffn_latent_down.weight", (width, latent)),
        Blank(f"blk.{il}.ffn_latent_up.weight", (latent, width)),
    )


def _expert_inner(il: int, metadata: Metadata) -> int:
    """Puzzle models give each block another width; older files none, but that of all used experts together."""
    count = block_count(metadata)
    given = find_ints(metadata, "expert_feed_forward_length", count)
    if given is not None and given[il]:
        return given[il]
    together = read_ints(metadata, "feed_forward_length", count)[il]
    return together // max(read_ints(metadata, "expert_used_count", count)[il], 1)


def _ahead(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return (
        *_blocks.norms(il, width, "post_attention_norm"),
        *_experts(il, metadata),
        *_blocks.next_token(il, width),
    )
