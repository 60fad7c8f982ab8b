"""LFM 2: most blocks are short convolutions that keep a few embeddings a sequence; some have attention."""

from aidx.model.arch import _attention, _blocks
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("lfm2",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A block without KV heads keeps a convolution's state instead."""
    state = read_int(metadata, "embedding_length") * max(read_int(metadata, "shortconv.l_cache") - 1, 0)
    return tuple(layer if layer.kv_heads else Layer(conv_state=state) for layer in _attention.layers(metadata))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The output projection is the embedding, and its norm has a name of its own."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = [_blocks.ends(metadata, output=False)[0], Blank("token_embd_norm.weight", (width,), "f32")]
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_blocks.gated(il, width, inner[il]),
            *((*_blocks.attention(il, width, of), *_blocks.head_norms(il, of)) if of.kv else _conv(il, metadata)),
        )
    return tuple(found)


def _conv(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return (
        Blank(f"blk.{il}.shortconv.conv.weight", (read_int(metadata, "shortconv.l_cache"), width), "f32"),
        Blank(f"blk.{il}.shortconv.in_proj.weight", (width, 3 * width)),
        Blank(f"blk.{il}.shortconv.out_proj.weight", (width, width)),
    )
