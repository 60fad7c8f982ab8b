"""The load in tokens: what fills a pool, what is one too many, how many clients come."""

import json

import pytest

from aidx.budget.settings import Settings
from aidx.gate.admit import limits
from aidx.stress.load import OUTPUT, prompt, shape
from aidx.stress.twin import described, unplanned


def of(trained=32768, **settings):
    return shape(limits(Settings(**settings), trained, max_tokens=OUTPUT))


@pytest.mark.parametrize("slots", [1, 2, 3, 4])
@pytest.mark.parametrize("unified", [True, False])
@pytest.mark.parametrize("tokens", [512, 1000, 8192])
def test_all_slots_together_fill_the_pool(slots, unified, tokens):
    form = of(ctx_size=tokens, parallel=slots, kv_unified=unified)

    kept = form.fill + OUTPUT - 1  # the last token of an answer is never kept
    assert 0.99 * form.cells <= slots * kept <= form.cells
    assert form.reach == form.cells


def test_one_token_too_many_is_one_more_than_fits():
    form = of(ctx_size=1024)

    assert form.over + OUTPUT == form.context + 1


def test_there_are_clients_for_every_slot_every_place_to_wait_and_more():
    assert of(ctx_size=1024, parallel=2).clients == 2 + 8 + 2


def test_a_pool_that_sequences_cannot_reach_is_known_to_be():
    form = of(ctx_size=4096, trained=1024)

    assert (form.share, form.reach) == (1024, 1024)
    assert form.reach < form.cells


def test_a_request_is_for_just_so_many_tokens_and_streams_its_usage():
    found = json.loads(prompt([("user", 'say "hi"\n')], 7).body)

    assert found["messages"] == [{"role": "user", "content": 'say "hi"\n'}]
    assert found["ignore_eos"]
    assert found["stream_options"] == {"include_usage": True}
    assert prompt([("user", "x")], 7).max_tokens == 7


def test_one_that_goes_anywhere_gives_up_its_slot():
    body = b'{"id_slot":3,' + prompt([("user", "x")], anywhere=True).body[1:]

    assert json.loads(body)["id_slot"] == -1


def test_the_twin_takes_the_server_s_defaults_and_the_plan_s_placement():
    twin = unplanned(Settings(ctx_size=512, cache_type_k="q8_0", n_gpu_layers=7, n_cpu_moe=3), 32768)

    assert (twin.ctx_size, twin.parallel, twin.cache_ram, twin.ctx_checkpoints) == (32768, 4, 8 << 30, 32)
    assert (twin.cache_type_k, twin.n_gpu_layers, twin.n_cpu_moe) == ("f16", 7, 3)
    assert described(twin) == "32,768 tokens, 4 slots, 8,192 MiB of prompts kept, 32 checkpoints"
