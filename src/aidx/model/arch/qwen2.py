"""Qwen 2 and 2.5: biases on Q, K and V; heads are always the embedding divided by their number."""

from aidx.model.arch import _attention, _dense

NAMES = ("qwen2",)
layers = _attention.layers
tensors = _dense.Variant(bias=True).tensors
