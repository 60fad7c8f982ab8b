"""North Mini Code and Command A+: one norm a block, experts, windows in three blocks of four, the first is global."""

from aidx.model.arch import _attention, _dense
from aidx.model.spec import Layer, Metadata

NAMES = ("cohere2moe",)
tensors = _dense.Variant(norms=("attn_norm",), shared=True).tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A global block, then three that slide."""
    return _attention.always_windowed(metadata, period=4, dense_first=True)
