"""ARWKV 7: Qwen 2.5's feed-forward parts around RWKV 7's time mixing, with or without its gate."""

from aidx.model.arch import _blocks, _rwkv
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("arwkv7",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The same state in every block: one embedding, since only time mixing looks back, and the heads' matrices."""
    return _rwkv.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Two norms a block; some models norm the mixed values as well."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))[0]
    found = list(_blocks.ends(metadata))
    for il in range(block_count(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_rwkv.seventh_mix(il, metadata),
            *_rwkv.layer_norms(il, width, "time_mix_ln"),
            *_blocks.gated(il, width, inner),
        )
    return tuple(found)
