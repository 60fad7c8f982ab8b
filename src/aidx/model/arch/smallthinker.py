"""SmallThinker: experts in every block; windows in three blocks of four, the first is global."""

from aidx.model.arch import _attention, _dense
from aidx.model.spec import Layer, Metadata

NAMES = ("smallthinker",)
_WINDOW = 4096  # llama.cpp's, whatever number the file has
tensors = _dense.Variant().tensors


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A global block, then three that slide, where the file names a window."""
    return _attention.windowed(metadata, period=4, dense_first=True, window=_WINDOW)
