"""MiniMax M2: many experts as wide as the feed-forward length says; one norm over all query heads."""

from aidx.model.arch import _attention, _dense

NAMES = ("minimax-m2",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True, over="all", routed_inner="feed_forward_length", corrected=True).tensors
