"""CodeShell: GPT-NeoX's block with few KV heads."""

from aidx.model.arch import _attention, _dense

NAMES = ("codeshell",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True, fused=True, bias=True, output_bias=True, gate="none", inner_bias=True).tensors
