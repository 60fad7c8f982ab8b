"""LFM 2: most blocks are short convolutions that keep a few embeddings a sequence; some have attention."""

from aidx.model.arch import _attention, _blocks, _shortconv
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("lfm2",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A block without KV heads keeps a convolution's state; a window, where the file has one, is on all others."""
    return _shortconv.layers(metadata, window=find_int(metadata, "attention.sliding_window") or 0)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Dense feed-forward parts after either kind of mixer."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = list(_shortconv.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (*_shortconv.mixer(il, metadata, of), *_blocks.gated(il, width, inner[il]))
    return tuple(found)
