"""ChatGLM 3 and GLM 4 of 2024: fused Q, K and V with biases; the gate is inside the up projection."""

from aidx.model.arch import _attention, _dense

NAMES = ("chatglm",)
layers = _attention.layers
tensors = _dense.Variant(fused=True, bias=True, gate="doubled").tensors
