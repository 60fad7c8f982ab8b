"""Short convolutions (LFM 2) that keep a few embeddings a sequence; blocks with KV heads have attention."""

from msgspec.structs import replace

from aidx.model.arch import _attention, _blocks
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Layer, Metadata


def layers(metadata: Metadata, *, window: int = 0) -> tuple[Layer, ...]:
    """A block without KV heads keeps a convolution's state instead; *window* bounds the caches (0: not)."""
    state = read_int(metadata, "embedding_length") * max(read_int(metadata, "shortconv.l_cache") - 1, 0)
    return tuple(
        replace(layer, window=window or None) if layer.kv_heads else Layer(conv_state=state)
        for layer in _attention.layers(metadata)
    )


def ends(metadata: Metadata) -> tuple[Blank, ...]:
    """The output projection is the embedding, and its norm has a name of its own."""
    width = read_int(metadata, "embedding_length")
    return _blocks.ends(metadata, output=False)[0], Blank("token_embd_norm.weight", (width,), "f32")


def mixer(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    """Two norms and attention or a convolution."""
    width = read_int(metadata, "embedding_length")
    attention = (*_blocks.attention(il, width, of), *_blocks.head_norms(il, of))
    return (
        *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
        *(attention if of.kv else _convolution(il, metadata)),
    )


def _convolution(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return (
        Blank(f"blk.{il}.shortconv.conv.weight", (read_int(metadata, "shortconv.l_cache"), width), "f32"),
        Blank(f"blk.{il}.shortconv.in_proj.weight", (width, 3 * width)),
        Blank(f"blk.{il}.shortconv.out_proj.weight", (width, width)),
    )
