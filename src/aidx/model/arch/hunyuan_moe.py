"""Hunyuan A13B: experts and a shared one as wide as the feed-forward length says."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import find_int, read_int
from aidx.model.spec import Metadata


def _shared(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    inner = find_int(metadata, "expert_shared_feed_forward_length") or read_int(metadata, "feed_forward_length")
    return _blocks.shared_expert(il, metadata, inner)


NAMES = ("hunyuan-moe",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True, routed_inner="feed_forward_length", besides=_shared).tensors
