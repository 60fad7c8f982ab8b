"""Falcon 1 to 2: Q, K and V in one tensor, no gate; the 40B has a norm of its own for attention."""

from aidx.model.arch import _attention, _dense

NAMES = ("falcon",)
layers = _attention.layers
tensors = _dense.Variant(norms=("attn_norm", "attn_norm_2"), norm_bias=True, fused=True, gate="none").tensors
