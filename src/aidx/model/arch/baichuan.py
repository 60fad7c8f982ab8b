"""Baichuan: Llama's block; the 13B has biases by distance instead of rotary positions."""

from aidx.model.arch import _attention, _dense

NAMES = ("baichuan",)
layers = _attention.layers
tensors = _dense.Variant().tensors
