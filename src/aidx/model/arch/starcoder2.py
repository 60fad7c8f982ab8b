"""StarCoder 2: biases everywhere, no gate; llama.cpp ignores its window."""

from aidx.model.arch import _attention, _dense

NAMES = ("starcoder2",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True, bias=True, output_bias=True, gate="none", inner_bias=True).tensors
