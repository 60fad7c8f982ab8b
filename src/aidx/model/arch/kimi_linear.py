"""Kimi Linear: three blocks of delta attention, then one of latent attention; all gates are of low rank."""

from aidx.model.arch import _attention, _blocks, _kda
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("kimi-linear",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K without a V in a block with KV heads, a state in the others."""
    return _kda.layers(metadata)[: trunk_count(metadata)]


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """A dense block first, then experts."""
    width = read_int(metadata, "embedding_length")
    dense = find_int(metadata, "leading_dense_block_count") or 0
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *(_kda.latent(il, metadata, of) if of.kv else _mixer(il, width, _kda.sizes(metadata))),
            *(_blocks.gated(il, width, inner[il]) if il < dense else _kda.experts(il, metadata)),
        )
    return tuple(found)


def _mixer(il: int, width: int, of: _kda.Sizes) -> tuple[Blank, ...]:
    return (
        *_kda.mixer(il, width, of),
        *_kda.low_rank(il, width, "f", of),
        *_kda.low_rank(il, width, "g", of),
        Blank(f"blk.{il}.ssm_a", (1, of.heads), "f32"),
    )
