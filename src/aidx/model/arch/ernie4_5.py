"""ERNIE 4.5: Llama's block."""

from aidx.model.arch import _attention, _dense

NAMES = ("ernie4_5",)
layers = _attention.layers
tensors = _dense.Variant().tensors
