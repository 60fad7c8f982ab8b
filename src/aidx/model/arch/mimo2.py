"""MiMo V2: sliding blocks have more KV heads than global ones, and sinks; three blocks predict ahead."""

from aidx.model.arch import _attention, _blocks
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("mimo2",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A window in each block that the file lists; V may be shorter than K."""
    return _attention.listed(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Experts in all blocks of the trunk but the first, which is dense, as those are that predict ahead."""
    width, trunk = read_int(metadata, "embedding_length"), trunk_count(metadata)
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_blocks.attention(il, width, of),
            *_sinks(il, metadata, of),
            *(
                (*_blocks.experts(il, metadata), *_blocks.expert_bias(il, metadata))
                if 0 < il < trunk
                else _blocks.gated(il, width, inner[il])
            ),
            *((*_blocks.next_token(il, width), *_blocks.norms(il, width, "layer_output_norm")) if il >= trunk else ()),
        )
    return tuple(found)


def _sinks(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    slides = read_ints(metadata, "attention.sliding_window_pattern", block_count(metadata))
    return (Blank(f"blk.{il}.attn_sinks.weight", (of.query,), "f32"),) if slides[il] else ()
