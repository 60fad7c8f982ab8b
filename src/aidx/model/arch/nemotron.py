"""Nemotron 3 and 4, Minitron: norms with biases, no gate."""

from aidx.model.arch import _attention, _dense

NAMES = ("nemotron",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True, gate="none").tensors
