"""Qwen 2 and 2.5 VL: the text model is Qwen 2; positions have three parts, which costs inputs only."""

from aidx.model.arch import _attention, _dense

NAMES = ("qwen2vl",)
layers = _attention.layers
tensors = _dense.Variant(bias=True).tensors
