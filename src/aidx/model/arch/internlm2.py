"""InternLM 2 and 2.5: Llama's block; the fused projections are taken apart when converted."""

from aidx.model.arch import _attention, _dense

NAMES = ("internlm2",)
layers = _attention.layers
tensors = _dense.Variant().tensors
