"""Mistral Small 4: DeepSeek V2's latent attention and experts."""

from aidx.model.arch import _latent

NAMES = ("mistral4",)
layers = _latent.layers
tensors = _latent.tensors
