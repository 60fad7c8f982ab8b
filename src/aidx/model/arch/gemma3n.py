"""Gemma 3n: four streams side by side (AltUp), low-rank side paths (Laurel), an embedding for each block.

The first 20 blocks keep a cache and the others read theirs; llama.cpp knows these numbers itself.
"""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, vocab_size
from aidx.model.spec import Layer, Metadata

NAMES = ("gemma3n",)
_KEEP = 20  # n_layer_kv_from_start
_STREAMS = 4  # n_altup
_RANK = 64  # laurel_rank
_EXTRA = 256  # n_embd_altup


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Four sliding blocks, then a global one; none of its own behind the first 20."""
    found = _attention.always_windowed(metadata, period=5)
    return (*found[:_KEEP], *(Layer(window=layer.window) for layer in found[_KEEP:]))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Gemma 3's block, what mixes the streams, and the embeddings of the blocks."""
    width = read_int(metadata, "embedding_length")
    extra = _EXTRA * block_count(metadata)
    tokens = find_int(metadata, "vocab_size_per_layer_input") or vocab_size(metadata)
    return (
        Blank("altup_proj.weight", (width, width, _STREAMS - 1)),
        Blank("altup_unembd_proj.weight", (width, width, _STREAMS - 1)),
        Blank("per_layer_token_embd.weight", (extra, tokens)),
        Blank("per_layer_model_proj.weight", (width, extra)),
        Blank("per_layer_proj_norm.weight", (_EXTRA,), "f32"),
        *_VARIANT.tensors(metadata),
    )


def _mixing(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return (
        Blank(f"blk.{il}.inp_gate.weight", (width, _EXTRA)),
        Blank(f"blk.{il}.proj.weight", (_EXTRA, width)),
        *_blocks.norms(il, width, "post_norm"),
        Blank(f"blk.{il}.altup_correct_coef.weight", (_STREAMS, _STREAMS), "f32"),
        Blank(f"blk.{il}.altup_correct_scale.weight", (width,), "f32"),
        Blank(f"blk.{il}.altup_predict_coef.weight", (_STREAMS, _STREAMS**2), "f32"),
        Blank(f"blk.{il}.altup_router.weight", (width, _STREAMS)),
        *_blocks.norms(il, width, "altup_router_norm"),
        Blank(f"blk.{il}.laurel_l.weight", (width, _RANK)),
        Blank(f"blk.{il}.laurel_r.weight", (_RANK, width)),
        *_blocks.norms(il, width, "laurel_post_norm"),
    )


_VARIANT = _dense.Variant(head_norm=True, post_norms=True, output=False, besides=_mixing)
