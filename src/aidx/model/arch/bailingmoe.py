"""Ling 1 (BailingMoE): shared experts; heads are as long as the rotary dimensions."""

from aidx.model.arch import _attention, _dense

NAMES = ("bailingmoe",)
layers = _attention.layers
tensors = _dense.Variant(shared=True).tensors
