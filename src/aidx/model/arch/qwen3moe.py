"""Qwen 3 with experts in every block and none that is shared; attention as in Qwen 3."""

from aidx.model.arch import _attention, _dense

NAMES = ("qwen3moe",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True).tensors
