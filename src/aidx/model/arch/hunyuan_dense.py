"""Hunyuan dense: Llama's block with a norm over each query and key head."""

from aidx.model.arch import _attention, _dense

NAMES = ("hunyuan-dense",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True).tensors
