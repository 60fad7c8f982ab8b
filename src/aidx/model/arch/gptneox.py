"""GPT-NeoX and Pythia: Q, K and V in one tensor, no gate, biases everywhere."""

from aidx.model.arch import _attention, _dense

NAMES = ("gptneox",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True, fused=True, bias=True, output_bias=True, gate="none", inner_bias=True).tensors
