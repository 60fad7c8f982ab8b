"""Falcon H1: attention and Mamba 2 side by side in every block, so each keeps a cache and a state."""

from msgspec.structs import replace

from aidx.model.arch import _attention, _blocks, _ssm
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("falcon-h1",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """K, V and state in every block."""
    state = _ssm.sizes(metadata, grouped=True).keeps
    return tuple(
        replace(layer, conv_state=state.conv_state, recurrent_state=state.recurrent_state)
        for layer in _attention.layers(metadata)
    )


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """One norm for both mixers; the second norm is filed without ``.weight``, and not every size norms its state."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    of = _ssm.sizes(metadata, grouped=True)
    found = list(_blocks.ends(metadata))
    for il, heads in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm"),
            *_blocks.attention(il, width, heads),
            *_ssm.mamba2(il, width, of),
            Blank(f"blk.{il}.ffn_norm", (width,), "f32"),
            *_blocks.gated(il, width, inner[il]),
        )
    return tuple(found)
