"""Arcee AFM: Llama's block without a gate."""

from aidx.model.arch import _attention, _dense

NAMES = ("arcee",)
layers = _attention.layers
tensors = _dense.Variant(gate="none").tensors
