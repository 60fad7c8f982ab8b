"""OpenELM: each block has heads and a feed-forward part of its own size; the output is the embedding."""

from aidx.model.arch import _attention, _dense

NAMES = ("openelm",)
layers = _attention.layers
tensors = _dense.Variant(fused=True, head_norm=True, output=False).tensors
