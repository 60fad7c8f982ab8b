"""MPT: Q, K and V in one tensor, no gate, no biases; distance biases instead of rotary positions."""

from aidx.model.arch import _attention, _dense

NAMES = ("mpt",)
layers = _attention.layers
tensors = _dense.Variant(fused=True, gate="none").tensors
