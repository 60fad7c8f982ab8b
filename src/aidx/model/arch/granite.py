"""Granite 3 and 4: Llama's block; what it scales costs nothing."""

from aidx.model.arch import _attention, _dense

NAMES = ("granite",)
layers = _attention.layers
tensors = _dense.Variant().tensors
