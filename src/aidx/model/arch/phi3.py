"""Phi 3, 3.5 and 4: Q, K and V are one tensor, gate and up another; llama.cpp ignores its window."""

from aidx.model.arch import _attention, _blocks
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, full_key, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("phi3",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A full K and V for each block, whatever ``attention.sliding_window`` says."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Fused blocks; models for long contexts store two sets of rotary factors."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = [*_blocks.ends(metadata), *_factors(metadata)]
    for il, of in enumerate(_attention.heads(metadata)):
        fused = (of.query + of.kv) * of.key_dim + of.kv * of.value_dim
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            Blank(f"blk.{il}.attn_qkv.weight", (width, fused)),
            Blank(f"blk.{il}.attn_output.weight", (of.query * of.value_dim, width)),
            Blank(f"blk.{il}.ffn_up.weight", (width, 2 * inner[il])),
            Blank(f"blk.{il}.ffn_down.weight", (inner[il], width)),
        )
    return tuple(found)


def _factors(metadata: Metadata) -> tuple[Blank, ...]:
    """LongRoPE's factors; converters give their attention factor exactly when they write them."""
    if full_key(metadata, "rope.scaling.attn_factor") not in metadata:
        return ()
    rotary = find_int(metadata, "rope.dimension_count") or _attention.heads(metadata)[0].key_dim
    shape = (rotary // 2,)
    return Blank("rope_factors_long.weight", shape, "f32"), Blank("rope_factors_short.weight", shape, "f32")
