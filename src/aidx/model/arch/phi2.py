"""Phi 1 and 2: one norm before attention and feed-forward part, which run side by side; biases everywhere."""

from aidx.model.arch import _attention, _dense

NAMES = ("phi2",)
layers = _attention.layers
tensors = _dense.Variant(
    norms=("attn_norm",),
    norm_bias=True,
    bias=True,
    output_bias=True,
    gate="none",
    inner_bias=True,
    output_head_bias=True,
).tensors
