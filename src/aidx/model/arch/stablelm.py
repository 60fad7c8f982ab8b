"""StableLM: norms with biases; the 12B has head norms instead of a norm before the feed-forward part."""

from aidx.model.arch import _attention, _dense

NAMES = ("stablelm",)
layers = _attention.layers
tensors = _dense.Variant(norm_bias=True, bias=True, head_norm=True, over="each").tensors
