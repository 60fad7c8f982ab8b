"""The turns at which a conversation that keeps its history breaks."""

import pytest

from aidx.budget.growth import bytes_per_token, full_at_turn, growth
from aidx.budget.placement import place
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import Layer
from tests.fakes.models import qwen2


def test_a_token_of_qwen_coder_14b_costs_192_kib():
    """1,536 MiB for 8,192 tokens, says the engine."""
    model, settings = qwen2(), Settings(ctx_size=8192, n_gpu_layers=24)
    placement = place(model, settings, gpus=1)

    assert bytes_per_token(model.layers or (), settings, placement) == 1536 * 1024 * 1024 // 8192
    shares = [bytes_per_token(model.layers or (), settings, placement, device) for device in ("gpu0", "host")]
    assert shares == [23 * 4096, 25 * 4096]


def test_windows_and_states_cost_nothing_more():
    model = qwen2(blocks=2)
    layers = (Layer(8, 128, 128, window=512), Layer(recurrent_state=9))
    settings = Settings(ctx_size=8192)
    placement = place(model, settings, gpus=0)

    assert bytes_per_token(layers, settings, placement) == 0
    assert bytes_per_token(layers, Settings(ctx_size=8192, swa_full=True), placement) == 4096


@pytest.mark.parametrize(
    ("capacity", "start", "each", "turn"),
    [
        (8192, 2000, 600, 11),  # 2,000 + 10 x 600 = 8,000 fit, the eleventh turn does not
        (8000, 2000, 600, 11),
        (7999, 2000, 600, 10),
        (100, 200, 600, 1),
        (200, 200, 0, None),
        (8192, 0, 1, 8193),
    ],
)
def test_the_first_turn_that_does_not_fit(capacity, start, each, turn):
    assert full_at_turn(capacity, start_tokens=start, tokens_per_turn=each) == turn


@pytest.mark.parametrize(("start", "each"), [(-1, 600), (0, -1)])
def test_negative_tokens_are_refused(start, each):
    with pytest.raises(InputError, match="a conversation cannot start with"):
        full_at_turn(8192, start_tokens=start, tokens_per_turn=each)


def test_context_and_memory_are_full_at_turns_of_their_own():
    grown = growth(bytes_a_token=4096, start_tokens=0, tokens_per_turn=1000, context_tokens=8192, memory_tokens=4000)

    assert (grown.context_full_at_turn, grown.memory_full_at_turn) == (9, 5)
    assert grown.bytes_per_token == 4096
    endless = growth(bytes_a_token=0, start_tokens=0, tokens_per_turn=1000, context_tokens=8192, memory_tokens=None)
    assert endless.memory_full_at_turn is None
