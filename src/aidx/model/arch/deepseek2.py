"""DeepSeek V2 and V3, GLM 4.7 Flash, Kimi K2: latent attention, dense first blocks, shared experts."""

from aidx.model.arch import _latent

NAMES = ("deepseek2",)
layers = _latent.layers
tensors = _latent.tensors
