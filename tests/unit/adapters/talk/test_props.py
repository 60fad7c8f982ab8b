"""What a server says of itself, held against the plan."""

import pytest

from aidx.adapters.talk.props import held
from aidx.budget.settings import Settings
from aidx.errors import BudgetError, EngineError
from aidx.ports.engine import Launch

PROPS = {"total_slots": 2, "default_generation_settings": {"n_ctx": 1024}}


def launch(**fields):
    return Launch("m.gguf", "m", Settings(ctx_size=2048, parallel=2, kv_unified=True), **fields)


def test_a_slot_is_as_long_as_the_model_was_trained_for():
    assert held(launch(trained=1024), PROPS, [], "the engine").n_ctx == 1024


def test_an_aidx_node_is_said_to_be_one():
    with pytest.raises(EngineError, match=r"llama-server is aidx 1.0, and no llama.cpp's server") as wrong:
        held(launch(), {**PROPS, "build_info": "aidx 1.0"}, [], "llama-server")
    assert wrong.value.hint == 'Write engine = "aidx".'


@pytest.mark.parametrize("trained", [None, 4096])
def test_a_slot_that_is_shorter_than_planned_is_too_short(trained):
    with pytest.raises(BudgetError, match=r"1,024 tokens, and 2,048 are planned"):
        held(launch(trained=trained), PROPS, [], "the engine")
