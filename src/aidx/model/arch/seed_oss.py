"""Seed-OSS: biases on Q, K and V; the norm before the feed-forward part is filed as attention's."""

from aidx.model.arch import _attention, _dense

NAMES = ("seed_oss",)
layers = _attention.layers
tensors = _dense.Variant(bias=True, norms=("attn_norm", "post_attention_norm")).tensors
