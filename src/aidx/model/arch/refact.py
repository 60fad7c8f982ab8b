"""Refact: Llama's block with one KV head and biases by distance instead of rotary positions."""

from aidx.model.arch import _attention, _dense

NAMES = ("refact",)
layers = _attention.layers
tensors = _dense.Variant().tensors
