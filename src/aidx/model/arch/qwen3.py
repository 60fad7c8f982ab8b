"""Qwen 3: a norm over each query and key head instead of biases; heads of a length of their own."""

from aidx.model.arch import _attention, _dense

NAMES = ("qwen3",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True).tensors
