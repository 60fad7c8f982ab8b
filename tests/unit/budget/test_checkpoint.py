"""What a checkpoint copies.

Expected: ``llama_state_seq_get_size_ext`` of the pinned engine for models of zeros that had really decoded tokens,
partial states only; ours may be above by what stands in front, and by windows that are not full.
"""

import pytest

from aidx.budget.checkpoint import checkpoint_bytes
from aidx.budget.settings import Settings
from aidx.model.spec import Layer

SETTINGS = Settings(ctx_size=512)
MAMBA = Layer(conv_state=1536, recurrent_state=23808)
SHORT = Layer(conv_state=640)
WINDOW = Layer(2, 40, 40, window=512)
FULL = Layer(2, 40, 40)


@pytest.mark.parametrize(
    ("layers", "engine"),
    [
        ((MAMBA,) * 2, 202_828),
        ((SHORT, WINDOW), 172_312),  # 511 tokens in a window of 512
    ],
    ids=["two Mamba blocks", "a short convolution and a window"],
)
def test_a_checkpoint_is_never_under_what_the_engine_writes(layers, engine):
    assert engine <= checkpoint_bytes(layers, SETTINGS) < engine + 128 + 332


def test_a_full_cache_is_not_copied():
    assert checkpoint_bytes((FULL,) * 4, SETTINGS) == 0
    assert checkpoint_bytes((WINDOW,), Settings(ctx_size=512, swa_full=True)) == 0
    assert checkpoint_bytes((FULL, MAMBA), SETTINGS) == checkpoint_bytes((MAMBA,), SETTINGS)
