"""DeepSeek V2 and V3, GLM 4.7 Flash, Kimi K2: latent attention; K is one compressed head and V a view of it.

Files from before April 2025 lack the ``_mla`` lengths and hold one ``attn_kv_b``: llama.cpp then caches full
heads, about nine times as much.
"""

from dataclasses import replace

from aidx.model.arch import _attention, _blocks
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("deepseek2",)
_SIGMOID = 2  # expert_gating_func of models that correct the router's scores


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """One K head of latent and rotary elements and no V; full heads for an older file."""
    plain = _attention.layers(metadata)
    return tuple(replace(layer, value_dim=0) for layer in plain) if _latent(metadata) else plain


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Dense blocks first, then blocks of routed and shared experts."""
    width = read_int(metadata, "embedding_length")
    dense = find_int(metadata, "leading_dense_block_count") or 0
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_projections(il, metadata, of),
            *(_blocks.gated(il, width, inner[il]) if il < dense else _experts(il, metadata)),
        )
    return tuple(found)


def _latent(metadata: Metadata) -> bool:
    lengths = ("attention.key_length_mla", "attention.value_length_mla")
    return all(find_int(metadata, length) for length in lengths)


def _experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    corrected = find_int(metadata, "expert_gating_func") == _SIGMOID
    return (
        *_blocks.experts(il, metadata),
        *_blocks.gated(il, width, _blocks.shared_inner(metadata), suffix="_shexp"),
        *(_blocks.expert_bias(il, metadata) if corrected else ()),
    )


def _projections(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    rank = read_int(metadata, "attention.kv_lora_rank")
    rotary = read_int(metadata, "rope.dimension_count")
    key = find_int(metadata, "attention.key_length_mla") or of.key_dim
    value = find_int(metadata, "attention.value_length_mla") or of.value_dim
    blk = f"blk.{il}"
    if _latent(metadata):
        heads: tuple[Blank, ...] = (
            Blank(f"{blk}.attn_k_b.weight", (key - rotary, rank, of.query)),
            Blank(f"{blk}.attn_v_b.weight", (rank, value, of.query)),
        )
    else:
        heads = (Blank(f"{blk}.attn_kv_b.weight", (rank, of.query * (key - rotary + value))),)
    return (
        *_queries(il, metadata, of.query * key),
        Blank(f"{blk}.attn_kv_a_mqa.weight", (width, rank + rotary)),
        Blank(f"{blk}.attn_kv_a_norm.weight", (rank,), "f32"),
        *heads,
        Blank(f"{blk}.attn_output.weight", (of.query * value, width)),
    )


def _queries(il: int, metadata: Metadata, size: int) -> tuple[Blank, ...]:
    """Queries straight from the embedding in the lite models, else through a low rank."""
    width = read_int(metadata, "embedding_length")
    rank = find_int(metadata, "attention.q_lora_rank")
    if not rank:
        return (Blank(f"blk.{il}.attn_q.weight", (width, size)),)
    return (
        Blank(f"blk.{il}.attn_q_a.weight", (width, rank)),
        Blank(f"blk.{il}.attn_q_a_norm.weight", (rank,), "f32"),
        Blank(f"blk.{il}.attn_q_b.weight", (rank, size)),
    )
