"""Jais 1: GPT 2's block with a gate; biases by distance instead of learned positions."""

from aidx.model.arch import _attention, _dense

NAMES = ("jais",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True, fused=True, bias=True, output_bias=True, inner_bias=True).tensors
