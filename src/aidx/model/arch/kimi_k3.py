"""Kimi K3: Kimi Linear with gated attention, experts in a narrower space, and residuals across blocks.

Experts are published in four bits, which converters copy.
"""

from msgspec.structs import replace

from aidx.model.arch import _attention, _blocks, _kda
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("kimi-k3",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K without a V, of the latent's length whatever the file says, in a block with KV heads; else a state."""
    rank = read_int(metadata, "attention.kv_lora_rank")
    found = _kda.layers(metadata)[: trunk_count(metadata)]
    return tuple(replace(layer, view_dim=rank) if layer.kv_heads else layer for layer in found)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """A dense block first, then experts; each block scores the residuals that it takes."""
    width = read_int(metadata, "embedding_length")
    dense = find_int(metadata, "leading_dense_block_count") or 0
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    scored = bool(read_int(metadata, "attn_res.block_size"))
    scores = ("attn_res_score", "ffn_res_score") if scored else ()
    found = list(_blocks.ends(metadata))
    found += (Blank("output_res_score.weight", (width,), "f32"),) if scored else ()
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm", *scores),
            *(_latent(il, metadata, of) if of.kv else _mixer(il, width, _kda.sizes(metadata))),
            *(_blocks.gated(il, width, inner[il]) if il < dense else _experts(il, metadata)),
        )
    return tuple(found)


def _latent(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    """The gate is as wide as what the heads put out."""
    width = read_int(metadata, "embedding_length")
    value = read_int(metadata, "attention.value_length_mla")
    return (*_kda.latent(il, metadata, of), Blank(f"blk.{il}.attn_gate.weight", (width, of.query * value)))


def _mixer(il: int, width: int, of: _kda.Sizes) -> tuple[Blank, ...]:
    return (
        *_kda.mixer(il, width, of),
        *_kda.low_rank(il, width, "f", of),
        Blank(f"blk.{il}.ssm_g.weight", (width, of.inner)),
        Blank(f"blk.{il}.ssm_a", (of.heads,), "f32"),
    )


def _experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    count = read_int(metadata, "expert_count")
    inner = read_int(metadata, "expert_feed_forward_length")
    narrow = find_int(metadata, "expert_latent_length") or 0
    shared = inner * max(read_int(metadata, "expert_shared_count"), 1)
    blk, outer = f"blk.{il}", narrow or width
    return (
        Blank(f"{blk}.ffn_gate_inp.weight", (width, count), "f32"),
        *_blocks.expert_bias(il, metadata),
        *(Blank(f"{blk}.ffn_{part}_exps.weight", (outer, inner, count), "mxfp4") for part in ("gate", "up")),
        Blank(f"{blk}.ffn_down_exps.weight", (inner, outer, count), "mxfp4"),
        *(_narrowing(il, width, narrow) if narrow else ()),
        *_blocks.gated(il, width, shared, suffix="_shexp"),
    )


def _narrowing(il: int, width: int, narrow: int) -> tuple[Blank, ...]:
    return (
        Blank(f"blk.{il}.ffn_routed_down.weight", (width, narrow)),
        Blank(f"blk.{il}.ffn_routed_up.weight", (narrow, width)),
        *_blocks.norms(il, narrow, "ffn_routed_norm"),
    )
