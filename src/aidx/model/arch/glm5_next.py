"""GLM 5.3 Flash: three blocks of delta attention, then one of latent attention that picks its tokens.

The indexer that picks them caches a key, its gate and a pooled key a token; hyper-connections carry four
streams between the blocks.
"""

from msgspec.structs import replace

from aidx.model.arch import _attention, _blocks, _kda
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, find_ints, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("glm5-next",)
_ROWS = 3  # indexer_kpool_row: key, gate and pooled key


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K without a V, and the indexer's where the block has one of its own, in a block with KV heads; else a state."""
    index = _ROWS * read_int(metadata, "attention.indexer.key_length")
    rank = read_int(metadata, "attention.kv_lora_rank")
    trunk = trunk_count(metadata)
    own = _own_indexer(metadata)
    return tuple(
        replace(layer, view_dim=rank, index_key=index if own[il] else 0) if layer.kv_heads else layer
        for il, layer in enumerate(_kda.layers(metadata)[:trunk])
    )


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Dense blocks first, then experts; the block that predicts ahead has no hyper-connections."""
    width = read_int(metadata, "embedding_length")
    dense = find_int(metadata, "leading_dense_block_count") or 0
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    trunk = trunk_count(metadata)
    own = _own_indexer(metadata)
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *(_kda.latent(il, metadata, of) if of.kv else _mixer(il, width, _kda.sizes(metadata))),
            *(_indexer(il, metadata) if of.kv and (il >= trunk or own[il]) else ()),
            *(_blocks.gated(il, width, inner[il]) if il < dense else _kda.experts(il, metadata)),
            *(_connections(il, metadata) if il < trunk else _blocks.next_token(il, width)),
        )
    return tuple(found)


def _own_indexer(metadata: Metadata) -> tuple[int, ...]:
    """Blocks may share the choice of an earlier one; all choose for themselves where the file does not say."""
    trunk = trunk_count(metadata)
    return find_ints(metadata, "attention.indexer.types", trunk) or (1,) * trunk


def _mixer(il: int, width: int, of: _kda.Sizes) -> tuple[Blank, ...]:
    return (
        *_kda.mixer(il, width, of),
        *_kda.low_rank(il, width, "f", of),
        *_kda.low_rank(il, width, "g", of),
        Blank(f"blk.{il}.ssm_a", (of.heads,), "f32"),
    )


def _indexer(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    heads, length = (read_int(metadata, f"attention.indexer.{key}") for key in ("head_count", "key_length"))
    blk = f"blk.{il}"
    return (
        *(Blank(f"{blk}.indexer.k_norm.{part}", (length,), "f32") for part in ("weight", "bias")),
        Blank(f"{blk}.indexer.proj.weight", (width, heads), "f32"),
        Blank(f"{blk}.indexer.attn_k.weight", (width, length)),
        Blank(f"{blk}.indexer.attn_q_b.weight", (read_int(metadata, "attention.q_lora_rank"), heads * length)),
        Blank(f"{blk}.indexer_compressor_gate.weight", (width, length), "f32"),
        Blank(f"{blk}.indexer_compressor_ape.weight", (length, read_int(metadata, "attention.indexer.kpool")), "f32"),
    )


def _connections(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """How the streams are mixed before attention and before the feed-forward part."""
    streams = read_int(metadata, "hyper_connection.count")
    mixed, width = (2 + streams) * streams, streams * read_int(metadata, "embedding_length")
    return tuple(
        blank
        for part in ("attn", "ffn")
        for blank in (
            Blank(f"blk.{il}.hc_{part}_fn.weight", (width, mixed), "f32"),
            Blank(f"blk.{il}.hc_{part}_base.weight", (mixed,), "f32"),
            Blank(f"blk.{il}.hc_{part}_scale.weight", (3,), "f32"),
        )
    )
