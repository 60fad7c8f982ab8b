"""GPT 2: a learned embedding of each position, biases everywhere."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.blank import Blank
from aidx.model.spec import Metadata

NAMES = ("gpt2",)
_VARIANT = _dense.Variant(norm_bias=True, fused=True, bias=True, output_bias=True, gate="none", inner_bias=True)
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Fused blocks, and as many positions as the model was trained for."""
    return (_blocks.positions(metadata), *_VARIANT.tensors(metadata))
