"""Recurrent state; figures are llama.cpp's own."""

from aidx.budget.state import layer_state
from aidx.model.spec import Layer

QWEN3_NEXT = Layer(conv_state=3 * (4096 + 2 * 16 * 128), recurrent_state=128 * 4096)


def test_qwen3_next_keeps_75_mib_a_sequence():
    """llama_memory_recurrent: 75.375 MiB for one sequence, 36 of 48 layers."""
    assert 36 * layer_state(QWEN3_NEXT, sequences=1, device="gpu0") == 75.375 * (1 << 20)


def test_state_grows_with_sequences_and_is_aligned():
    assert layer_state(QWEN3_NEXT, sequences=4, device="host") == 4 * layer_state(
        QWEN3_NEXT, sequences=1, device="host"
    )
    assert layer_state(Layer(conv_state=1), sequences=1, device="host") == 32
    assert layer_state(Layer(conv_state=1), sequences=1, device="gpu0") == 128
    assert layer_state(Layer(kv_heads=1), sequences=1, device="host") == 0
