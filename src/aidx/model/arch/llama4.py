"""Llama 4: attention within chunks of 8,192 tokens in three blocks of four; experts in every block or every other."""

from aidx.errors import InputError
from aidx.model.arch import _attention, _blocks
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, full_key, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("llama4",)
_CHUNK = 8192  # llama.cpp's, whatever number the file has


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A chunk is kept like a window; a window of 0 in the file means that all blocks are global."""
    if find_int(metadata, "attention.sliding_window") == 0:
        return _attention.layers(metadata)
    return _attention.chunked(metadata, period=4, chunk=_CHUNK)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The shared expert is as wide as a routed one."""
    width, step = read_int(metadata, "embedding_length"), read_int(metadata, "interleave_moe_layer_step")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    if not find_int(metadata, "expert_count"):
        raise InputError(
            f"{full_key(metadata, 'expert_count')} is 0, and llama.cpp takes no Llama 4 without experts",
            hint="Convert the model again; its header is damaged.",
        )
    found = [*_blocks.ends(metadata), _blocks.rotary(metadata)]
    for il, of in enumerate(_attention.heads(metadata)):
        routed = step > 0 and (il + 1) % step == 0
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_blocks.attention(il, width, of),
            *(_experts(il, metadata) if routed else _blocks.gated(il, width, inner[il])),
        )
    return tuple(found)


def _experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    inner = read_int(metadata, "expert_feed_forward_length")
    return (*_blocks.experts(il, metadata), *_blocks.shared_expert(il, metadata, inner))
