"""dots.llm1: dense first block, shared experts, corrected router; as many KV heads as query heads."""

from aidx.model.arch import _attention, _dense

NAMES = ("dots1",)
layers = _attention.layers
tensors = _dense.Variant(head_norm=True, shared=True, corrected=True).tensors
