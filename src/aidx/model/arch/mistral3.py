"""Ministral 3 and Devstral 2: Llama's block; long contexts by YaRN, so no factors are stored."""

from aidx.model.arch import _attention, _dense

NAMES = ("mistral3",)
layers = _attention.layers
tensors = _dense.Variant().tensors
