"""Multi-head latent attention (DeepSeek V2 and its heirs): K is one compressed head and V a view of it.

Files from before April 2025 lack the ``_mla`` lengths and hold one ``attn_kv_b``: llama.cpp then caches full
heads, about nine times as much.
"""

from collections.abc import Callable

from msgspec.structs import replace

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

_SIGMOID = 2  # expert_gating_func of models that correct the router's scores
More = Callable[[int, Metadata], tuple[Blank, ...]]


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """One K head of latent and rotary elements and no V; full heads for an older file."""
    plain = _attention.layers(metadata)
    return tuple(replace(layer, value_dim=0) for layer in plain) if _is_latent(metadata) else plain


def tensors(metadata: Metadata, more: More | None = None) -> tuple[Blank, ...]:
    """Dense blocks first, then blocks of routed and shared experts; *more*: what else a block has."""
    width, trunk = read_int(metadata, "embedding_length"), trunk_count(metadata)
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_projections(il, metadata, of),
            *(more(il, metadata) if more is not None else ()),
            *(_experts(il, metadata) if _dense.routed(il, metadata) else _blocks.gated(il, width, inner[il])),
            *((*_blocks.next_token(il, width), *_blocks.own_ends(il, metadata)) if il >= trunk else ()),
        )
    return tuple(found)


def indexed(metadata: Metadata) -> tuple[Layer, ...]:
    """``layers`` with an indexer's K in each block."""
    key = read_int(metadata, "attention.indexer.key_length")
    return tuple(replace(layer, index_key=key) for layer in layers(metadata))


def indexer(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """The indexer that picks the tokens which a block attends to."""
    width, rank = read_int(metadata, "embedding_length"), read_int(metadata, "attention.q_lora_rank")
    count = read_int(metadata, "attention.indexer.head_count")
    key = read_int(metadata, "attention.indexer.key_length")
    return (
        *_blocks.norms(il, key, "indexer.k_norm", bias=True),
        Blank(f"blk.{il}.indexer.proj.weight", (width, count), "f32"),
        Blank(f"blk.{il}.indexer.attn_k.weight", (width, key)),
        Blank(f"blk.{il}.indexer.attn_q_b.weight", (rank, count * key)),
    )


def compressed(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    """K and V by way of one low rank, taken apart again for full heads: one ``attn_kv_b``."""
    rank, rotary = read_int(metadata, "attention.kv_lora_rank"), read_int(metadata, "rope.dimension_count")
    width = read_int(metadata, "embedding_length")
    return (
        Blank(f"blk.{il}.attn_kv_a_mqa.weight", (width, rank + rotary)),
        *_blocks.norms(il, rank, "attn_kv_a_norm"),
        Blank(f"blk.{il}.attn_kv_b.weight", (rank, of.query * (max(of.key_dim - rotary, 0) + of.value_dim))),
        Blank(f"blk.{il}.attn_output.weight", (of.query * of.value_dim, width)),
    )


def queries(il: int, metadata: Metadata, size: int) -> tuple[Blank, ...]:
    """Queries straight from the embedding in the lite models, else through a low rank."""
    width = read_int(metadata, "embedding_length")
    rank = find_int(metadata, "attention.q_lora_rank")
    if not rank:
        return (Blank(f"blk.{il}.attn_q.weight", (width, size)),)
    return (
        Blank(f"blk.{il}.attn_q_a.weight", (width, rank)),
        *_blocks.norms(il, rank, "attn_q_a_norm"),
        Blank(f"blk.{il}.attn_q_b.weight", (rank, size)),
    )


def _is_latent(metadata: Metadata) -> bool:
    lengths = ("attention.key_length_mla", "attention.value_length_mla")
    return all(find_int(metadata, length) for length in lengths)


def _experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    corrected = find_int(metadata, "expert_gating_func") == _SIGMOID
    return (
        *_blocks.experts(il, metadata),
        *_blocks.shared_expert(il, metadata),
        *(_blocks.expert_bias(il, metadata) if corrected else ()),
    )


def _projections(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    if not _is_latent(metadata):
        return (*queries(il, metadata, of.query * of.key_dim), *compressed(il, metadata, of))
    width = read_int(metadata, "embedding_length")
    rank = read_int(metadata, "attention.kv_lora_rank")
    rotary = read_int(metadata, "rope.dimension_count")
    key = read_int(metadata, "attention.key_length_mla")
    value = read_int(metadata, "attention.value_length_mla")
    blk = f"blk.{il}"
    return (
        *queries(il, metadata, of.query * key),
        Blank(f"{blk}.attn_kv_a_mqa.weight", (width, rank + rotary)),
        *_blocks.norms(il, rank, "attn_kv_a_norm"),
        Blank(f"{blk}.attn_k_b.weight", (max(key - rotary, 0), rank, of.query)),
        Blank(f"{blk}.attn_v_b.weight", (rank, value, of.query)),
        Blank(f"{blk}.attn_output.weight", (of.query * value, width)),
    )
