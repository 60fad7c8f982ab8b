"""Granite with experts as wide as the feed-forward length says; one shared where the file gives its width."""

from aidx.model.arch import _attention, _dense

NAMES = ("granitemoe",)
layers = _attention.layers
tensors = _dense.Variant(routed_inner="feed_forward_length", shared=True).tensors
