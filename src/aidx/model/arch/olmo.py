"""OLMo 1: norms without weights, so the file has none."""

from aidx.model.arch import _attention, _dense

NAMES = ("olmo",)
layers = _attention.layers
tensors = _dense.Variant(norms=(), final_norm=False).tensors
