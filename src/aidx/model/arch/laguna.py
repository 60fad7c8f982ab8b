"""Laguna: sliding blocks have more query heads than global ones; each head has a gate; shared experts."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import find_int, read_int
from aidx.model.spec import Layer, Metadata


def _more(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    """A gate for each head; the shared expert is as wide as a routed one where the file does not say."""
    inner = _blocks.shared_inner(metadata) or _shared_count(metadata) * read_int(metadata, "expert_feed_forward_length")
    return (
        Blank(f"blk.{il}.attn_gate.weight", (read_int(metadata, "embedding_length"), of.query)),
        *(_blocks.shared_expert(il, metadata, inner) if _dense.routed(il, metadata) else ()),
    )


def _shared_count(metadata: Metadata) -> int:
    count = find_int(metadata, "expert_shared_count")
    return 1 if count is None else count


NAMES = ("laguna",)
tensors = _dense.Variant(head_norm=True, corrected=True, besides=_more).tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A global block, then three that slide, where the file names a window."""
    return _attention.windowed(metadata, period=4, dense_first=True)
