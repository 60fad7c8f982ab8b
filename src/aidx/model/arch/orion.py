"""Orion: Llama's block whose norms have biases."""

from aidx.model.arch import _attention, _dense

NAMES = ("orion",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True).tensors
