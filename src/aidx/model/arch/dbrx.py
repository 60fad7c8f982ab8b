"""DBRX: fused Q, K and V; experts as wide as the feed-forward length says."""

from aidx.model.arch import _attention, _dense

NAMES = ("dbrx",)
layers = _attention.layers
tensors = _dense.Variant(
    norms=("attn_norm", "attn_output_norm"), fused=True, routed_inner="feed_forward_length"
).tensors
