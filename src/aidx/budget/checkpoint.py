"""What the server copies of a slot when it keeps a checkpoint of its context.

Of a state and of sliding windows there is no way back, so the server copies both; full caches it only shortens
(``LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY``). Beside the data the engine writes 24 bytes a layer and 12 a token of
a window (``state_write`` in ``src/llama-memory-recurrent.cpp`` and ``src/llama-kv-cache.cpp``).
"""

from collections.abc import Sequence

from aidx.budget import kv, state
from aidx.budget.placement import HOST
from aidx.budget.settings import Settings
from aidx.model.spec import Layer

_LAYER = 24  # kind and row size of two tensors
_TOKEN = 12  # position, number of sequences, sequence
_HEAD = 128  # counts in front: 28 bytes of a state, 48 of a cache


def checkpoint_bytes(layers: Sequence[Layer], settings: Settings) -> int:
    """Bytes of one checkpoint of one slot, its windows full; 0 where there is nothing to copy."""
    data = [size for layer in layers if (size := _copied(layer, settings))]
    if not data:
        return 0
    tokens = max((kv.cells(layer, settings) for layer in layers if _slides(layer, settings)), default=0)
    return sum(data) + len(data) * _LAYER + tokens * _TOKEN + _HEAD


def _copied(layer: Layer, settings: Settings) -> int:
    """The state of *layer*, and the tokens in its sliding window."""
    size = state.layer_state(layer, sequences=1, device=HOST)
    return size + (kv.token_bytes(layer, settings) * kv.cells(layer, settings) if _slides(layer, settings) else 0)


def _slides(layer: Layer, settings: Settings) -> bool:
    return bool(layer.kv_heads) and layer.window is not None and not settings.swa_full
