"""The plain decoder block: norm, attention, norm, feed-forward part; most families vary it a little."""

from dataclasses import dataclass

from aidx.model.arch import _blocks
from aidx.model.arch._attention import Heads, heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints
from aidx.model.spec import Metadata


@dataclass(frozen=True, slots=True)
class Variant:
    """How a family's blocks differ from Llama's.

    *bias*: on Q, K and V. *head_norm*: on each query and key head. *post_norms*: after attention and after
    the feed-forward part too. *output*: whether a file can have an output projection of its own.
    """

    bias: bool = False
    head_norm: bool = False
    post_norms: bool = False
    output: bool = True


def tensors(metadata: Metadata, variant: Variant) -> tuple[Blank, ...]:
    """All tensors of a model of such blocks, with experts where the metadata count some."""
    width = read_int(metadata, "embedding_length")
    count = block_count(metadata)
    routed = bool(find_int(metadata, "expert_count"))
    inner = (0,) * count if routed else read_ints(metadata, "feed_forward_length", count)
    found = list(_blocks.ends(metadata, output=variant.output))
    for il, of in enumerate(heads(metadata)):
        found += _attention_part(il, width, of, variant)
        found += _blocks.experts(il, metadata) if routed else _blocks.gated(il, width, inner[il])
    return tuple(found)


def _attention_part(il: int, width: int, of: Heads, variant: Variant) -> tuple[Blank, ...]:
    after = ("post_attention_norm", "post_ffw_norm") if variant.post_norms else ()
    return (
        *_blocks.norms(il, width, "attn_norm", "ffn_norm", *after),
        *_blocks.attention(il, width, of, bias=variant.bias),
        *(_blocks.head_norms(il, of) if variant.head_norm else ()),
    )
