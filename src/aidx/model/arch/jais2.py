"""Jais 2: biases everywhere, no gate, rotary positions."""

from aidx.model.arch import _attention, _dense

NAMES = ("jais2",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True, bias=True, output_bias=True, gate="none", inner_bias=True).tensors
