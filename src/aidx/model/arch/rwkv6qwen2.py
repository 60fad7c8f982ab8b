"""QRWKV 6: Qwen 2.5's feed-forward parts around RWKV 6's time mixing, with grouped keys and values."""

from aidx.model.arch import _blocks, _rwkv
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_ints, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("rwkv6qwen2",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The same state in every block: one embedding, since only time mixing looks back, and the heads' matrices."""
    return _rwkv.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Two norms a block; biases on receptance, key and value."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))[0]
    values = _values(metadata, width)
    found = list(_blocks.ends(metadata))
    for il in range(block_count(metadata)):
        biases = (("receptance", width), ("key", values), ("value", values))
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_rwkv.sixth_mix(il, metadata, values),
            *(Blank(f"blk.{il}.time_mix_{name}.bias", (size,), "f32") for name, size in biases),
            *_blocks.gated(il, width, inner),
        )
    return tuple(found)


def _values(metadata: Metadata, width: int) -> int:
    """Width of keys and values: that of the KV heads where there are fewer than heads."""
    kv = (find_ints(metadata, "attention.head_count_kv", block_count(metadata)) or (0,))[0]
    head = _rwkv.head_size(metadata)
    return kv * head if kv else width
