"""LFM 2 with experts: the first blocks are dense, the others pick experts by scores that are corrected."""

from aidx.model.arch import _attention, _blocks, _shortconv
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("lfm2moe",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A block without KV heads keeps a convolution's state instead."""
    return _shortconv.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Dense blocks first, then experts, after either kind of mixer."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    dense = find_int(metadata, "leading_dense_block_count") or 0
    found = list(_shortconv.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += _shortconv.mixer(il, metadata, of)
        if il < dense:
            found += _blocks.gated(il, width, inner[il])
        else:
            found += (*_blocks.experts(il, metadata), *_blocks.expert_bias(il, metadata))
    return tuple(found)
