"""PLaMo 1: one norm before attention and feed-forward part, which run side by side."""

from aidx.model.arch import _attention, _dense

NAMES = ("plamo",)
layers = _attention.layers
tensors = _dense.Variant(norms=("attn_norm",)).tensors
