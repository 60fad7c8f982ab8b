"""RWKV 6 (Finch): no attention; each block keeps two embeddings and one matrix a head for a sequence."""

from aidx.model.arch import _rwkv
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("rwkv6",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The same state in every block, whatever the context."""
    return _rwkv.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Time mixing, then channel mixing with a gate of its own."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))[0]
    head = _rwkv.head_size(metadata)
    found = list(_rwkv.ends(metadata))
    for il in range(block_count(metadata)):
        blk = f"blk.{il}"
        found += (
            *_rwkv.layer_norms(il, width, "attn_norm", "attn_norm_2", "time_mix_ln"),
            *_rwkv.sixth_mix(il, metadata, width),
            Blank(f"{blk}.time_mix_first.weight", (head, width // head), "f32"),
            *(Blank(f"{blk}.channel_mix_lerp_{letter}.weight", (width,), "f32") for letter in "kr"),
            Blank(f"{blk}.channel_mix_key.weight", (width, inner)),
            Blank(f"{blk}.channel_mix_value.weight", (inner, width)),
            *_rwkv.squares(il, width, "channel_mix_receptance"),
        )
    return tuple(found)
