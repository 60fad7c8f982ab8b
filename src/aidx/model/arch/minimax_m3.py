"""MiniMax M3: behind the dense first blocks an indexer picks blocks of tokens; it has a cache of its own."""

from msgspec.structs import replace

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import find_int, read_int
from aidx.model.spec import Layer, Metadata

NAMES = ("minimax-m3",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block; the indexer's cache has a V as long as a head, since the engine makes one."""
    key, dense = read_int(metadata, "attention.indexer.key_length"), _leading(metadata)
    return tuple(
        replace(layer, index_key=key, index_value=layer.value_dim) if il >= dense else layer
        for il, layer in enumerate(_attention.layers(metadata))
    )


def _leading(metadata: Metadata) -> int:
    return find_int(metadata, "leading_dense_block_count") or 0


def _indexer(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    if il < _leading(metadata):
        return ()
    width, count = read_int(metadata, "embedding_length"), read_int(metadata, "attention.indexer.head_count")
    key = read_int(metadata, "attention.indexer.key_length")
    return (
        Blank(f"blk.{il}.indexer.q_proj.weight", (width, count * key)),
        Blank(f"blk.{il}.indexer.k_proj.weight", (width, key)),
        *_blocks.norms(il, key, "indexer.q_norm", "indexer.k_norm"),
    )


tensors = _dense.Variant(head_norm=True, shared=True, corrected=True, besides=_indexer).tensors
