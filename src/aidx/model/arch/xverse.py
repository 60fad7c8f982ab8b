"""XVERSE: Llama's block."""

from aidx.model.arch import _attention, _dense

NAMES = ("xverse",)
layers = _attention.layers
tensors = _dense.Variant().tensors
