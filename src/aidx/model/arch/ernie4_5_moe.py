"""ERNIE 4.5 with experts: dense first blocks, shared experts, corrected router."""

from aidx.model.arch import _attention, _dense

NAMES = ("ernie4_5-moe",)
layers = _attention.layers
tensors = _dense.Variant(shared=True, corrected=True).tensors
