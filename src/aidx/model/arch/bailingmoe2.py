"""Ling 2 and Ring 2 (BailingMoE 2): fused Q, K and V, dense first block, shared experts, corrected router."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import find_int, read_int, trunk_count
from aidx.model.spec import Metadata


def _more(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    """The shared experts, each as wide as the file says; a last norm in the blocks that predict ahead."""
    each = find_int(metadata, "expert_shared_feed_forward_length") or read_int(metadata, "expert_feed_forward_length")
    inner = each * read_int(metadata, "expert_shared_count")
    last = _blocks.norms(il, read_int(metadata, "embedding_length"), "layer_output_norm")
    return (
        *(_blocks.shared_expert(il, metadata, inner) if _dense.routed(il, metadata) else ()),
        *(last if il >= trunk_count(metadata) else ()),
    )


NAMES = ("bailingmoe2",)
layers = _attention.layers
tensors = _dense.Variant(fused=True, head_norm=True, corrected=True, besides=_more).tensors
