"""MiniMax Text 01 and M1: seven blocks of lightning attention, a plain matrix a head, then one of full attention."""

from aidx.model.arch import _attention, _blocks, _delta
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Layer, Metadata

NAMES = ("minimax-01",)
_INTERVAL = 8  # llama.cpp's full_attention_interval where the file gives none


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V in the attention blocks; elsewhere a square matrix a head, and no convolution."""
    recurrent = _delta.recurrent(metadata, _INTERVAL)
    first = _attention.heads(metadata)[0]
    state = Layer(recurrent_state=first.key_dim * first.key_dim * first.query)
    return tuple(state if recurrent(il) else layer for il, layer in enumerate(_attention.layers(metadata)))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Every block has experts; recurrent ones fuse Q, K and V, and gate and norm what they put out."""
    width = read_int(metadata, "embedding_length")
    recurrent = _delta.recurrent(metadata, _INTERVAL)
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *(_lightning(il, width, of) if recurrent(il) else _blocks.attention(il, width, of)),
            *_blocks.experts(il, metadata),
        )
    return tuple(found)


def _lightning(il: int, width: int, of: Heads) -> tuple[Blank, ...]:
    size = of.key_dim * of.query
    return (
        *_blocks.norms(il, size, "attn_norm_2"),
        Blank(f"blk.{il}.attn_qkv.weight", (width, 3 * size)),
        Blank(f"blk.{il}.attn_gate.weight", (width, size)),
        Blank(f"blk.{il}.attn_output.weight", (size, width)),
    )
