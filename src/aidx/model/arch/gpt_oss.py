"""gpt-oss: experts published in MXFP4; a sliding window in every other block; biases and attention sinks."""

from aidx.model.arch import _attention, _blocks
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Layer, Metadata

NAMES = ("gpt-oss",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The first block slides, the second is global, and so on."""
    return _attention.always_windowed(metadata, period=2)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Converters copy the experts' four-bit blocks; everything else is as usual."""
    width = read_int(metadata, "embedding_length")
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "post_attention_norm"),
            *_blocks.attention(il, width, of, bias=True),
            Blank(f"blk.{il}.attn_output.bias", (width,), "f32"),
            Blank(f"blk.{il}.attn_sinks.weight", (of.query,), "f32"),
            *_blocks.experts(il, metadata, kind="mxfp4"),
            *_expert_biases(il, metadata),
        )
    return tuple(found)


def _expert_biases(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    count = read_int(metadata, "expert_count")
    inner = read_int(metadata, "expert_feed_forward_length")
    return (
        Blank(f"blk.{il}.ffn_gate_inp.bias", (count,), "f32"),
        Blank(f"blk.{il}.ffn_gate_exps.bias", (inner, count), "f32"),
        Blank(f"blk.{il}.ffn_up_exps.bias", (inner, count), "f32"),
        Blank(f"blk.{il}.ffn_down_exps.bias", (width, count), "f32"),
    )
