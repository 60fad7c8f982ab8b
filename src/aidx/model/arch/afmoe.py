"""Trinity (AFMoE): attention has a gate; dense first blocks, shared experts; windows in three blocks of four."""

from aidx.model.arch import _attention, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import read_int
from aidx.model.spec import Layer, Metadata


def _gate(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    shape = (read_int(metadata, "embedding_length"), of.query * of.key_dim)
    return (Blank(f"blk.{il}.attn_gate.weight", shape),)


NAMES = ("afmoe",)
tensors = _dense.Variant(head_norm=True, post_norms=True, shared=True, corrected=True, besides=_gate).tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Three sliding blocks, then a global one, where the file names a window."""
    return _attention.windowed(metadata, period=4)
