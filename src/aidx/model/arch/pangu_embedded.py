"""openPangu Embedded: Llama's block with biases on all of attention's projections."""

from aidx.model.arch import _attention, _dense

NAMES = ("pangu-embedded",)
layers = _attention.layers
tensors = _dense.Variant(bias=True, output_bias=True).tensors
