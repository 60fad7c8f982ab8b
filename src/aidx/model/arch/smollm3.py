"""SmolLM 3: Llama's block; every fourth one goes without rotary positions, which costs nothing."""

from aidx.model.arch import _attention, _dense

NAMES = ("smollm3",)
layers = _attention.layers
tensors = _dense.Variant().tensors
