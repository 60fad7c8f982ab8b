"""GLM 4 of 2025: the gate is inside the up projection; norms before and after each part."""

from aidx.model.arch import _attention, _dense

NAMES = ("glm4",)
layers = _attention.layers
tensors = _dense.Variant(bias=True, post_norms=True, gate="doubled").tensors
