"""OLMo 2 and 3: norms after the parts, and over all query heads together; OLMo 3 slides in three blocks of four."""

from aidx.model.arch import _attention, _dense
from aidx.model.spec import Layer, Metadata

NAMES = ("olmo2",)
tensors = _dense.Variant(norms=(), post_norms=True, head_norm=True, over="all").tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Three sliding blocks, then a global one, where the file names a window."""
    return _attention.windowed(metadata, period=4)
