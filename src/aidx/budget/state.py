"""Recurrent and convolution state: f32, for each sequence, whatever the context.

Rules of ``src/llama-memory-recurrent.cpp`` (llama.cpp): two tensors a layer, one row a sequence.
"""

from aidx.budget.buffers import rules_for
from aidx.model.spec import Layer
from aidx.model.tensor import TYPES


def layer_state(layer: Layer, *, sequences: int, device: str) -> int:
    """Bytes of *layer*'s state for *sequences* sequences on *device*."""
    rules, f32 = rules_for(device), TYPES["f32"]
    return sum(rules.allocated(f32, width, sequences) for width in (layer.conv_state, layer.recurrent_state) if width)
