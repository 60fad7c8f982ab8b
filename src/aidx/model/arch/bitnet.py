"""BitNet b1.58: three-valued weights with one scale each; norms inside the parts."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Metadata


def _inside(il: int, metadata: Metadata, _: Heads) -> tuple[Blank, ...]:
    return (
        *_blocks.norms(il, read_int(metadata, "embedding_length"), "attn_sub_norm"),
        *_blocks.norms(il, read_int(metadata, "feed_forward_length"), "ffn_sub_norm"),
    )


NAMES = ("bitnet",)
layers = _attention.layers
tensors = _dense.Variant(output=False, besides=_inside).tensors
