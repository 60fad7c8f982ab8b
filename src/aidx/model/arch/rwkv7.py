"""RWKV 7 (Goose): no attention; low-rank decays, learning rates and gates in place of RWKV 6's mixing."""

from aidx.model.arch import _rwkv
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("rwkv7",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The same state in every block, whatever the context."""
    return _rwkv.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Time mixing, then channel mixing without a gate."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))[0]
    found = list(_rwkv.ends(metadata))
    for il in range(block_count(metadata)):
        found += (
            *_rwkv.layer_norms(il, width, "attn_norm", "attn_norm_2", "time_mix_ln"),
            *_rwkv.seventh_mix(il, metadata),
            Blank(f"blk.{il}.channel_mix_lerp_k.weight", (width,), "f32"),
            Blank(f"blk.{il}.channel_mix_key.weight", (width, inner)),
            Blank(f"blk.{il}.channel_mix_value.weight", (inner, width)),
        )
    return tuple(found)
