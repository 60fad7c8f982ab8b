"""Qwen 3 VL: the text model is Qwen 3; the vision part feeds several blocks at once."""

from aidx.model.arch import _attention, _dense

NAMES = ("qwen3vl",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True).tensors
