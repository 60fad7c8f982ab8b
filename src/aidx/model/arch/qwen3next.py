"""Qwen 3 Next: Gated DeltaNet with many small experts; its two gates are one fused tensor."""

from aidx.model.arch import _delta
from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata

NAMES = ("qwen3next",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Every fourth block has a K and a V, the others a state."""
    return _delta.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """The hybrid's tensors with fused gates."""
    return _delta.tensors(metadata, _gates)


def _gates(il: int, width: int, of: _delta.Sizes) -> tuple[Blank, ...]:
    return (Blank(f"blk.{il}.ssm_ba.weight", (width, 2 * of.value_heads)),)
