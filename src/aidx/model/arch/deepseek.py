"""DeepSeek 1 with experts: a dense first block, shared experts; its cache is an ordinary one."""

from aidx.model.arch import _attention, _dense

NAMES = ("deepseek",)
layers = _attention.layers
tensors = _dense.Variant(shared=True).tensors
