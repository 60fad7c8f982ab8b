"""GroveMoE: groups of experts share one small expert each; attention as in Qwen 3."""

from aidx.errors import InputError
from aidx.model.arch import _attention, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import find_int, full_key, read_int
from aidx.model.spec import Metadata


def _groups(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    """The small experts, as wide as a head where the file does not say."""
    width, together = read_int(metadata, "embedding_length"), read_int(metadata, "experts_per_group")
    if not together:
        raise InputError(
            f"{full_key(metadata, 'experts_per_group')} is 0", hint="Convert the model again; its header is damaged."
        )
    inner = find_int(metadata, "expert_chunk_feed_forward_length") or of.key_dim
    count = read_int(metadata, "expert_count") // together
    return (
        Blank(f"blk.{il}.ffn_gate_chexps.weight", (width, inner, count)),
        Blank(f"blk.{il}.ffn_up_chexps.weight", (width, inner, count)),
        Blank(f"blk.{il}.ffn_down_chexps.weight", (inner, width, count)),
    )


NAMES = ("grovemoe",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True, besides=_groups).tensors
