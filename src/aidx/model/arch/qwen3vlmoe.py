"""Qwen 3 VL with experts: the text model is that of Qwen 3 with experts."""

from aidx.model.arch import _attention, _dense

NAMES = ("qwen3vlmoe",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True).tensors
