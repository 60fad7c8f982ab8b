"""Gemma: wide heads, no window; the output projection is the embedding."""

from aidx.model.arch import _attention, _dense

NAMES = ("gemma",)
layers = _attention.layers
tensors = _dense.Variant(output=False).tensors
