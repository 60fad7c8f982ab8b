"""Rules of what the engine keeps that no sweep asks for: padding, slots and streams, full windows, arrays, rollback.

Each rule stands in the name of a test; the engine's own bytes decide.
"""

import sys
from collections.abc import Iterator
from itertools import product
from random import Random

import pytest
from msgspec.structs import asdict
from tests.e2e.test_arch_states import GPU, differences
from tests.fakes.published import made, typed
from tests.fakes.random_states import metadata

from aidx.adapters.catalogue import read_catalogue
from aidx.adapters.llama.prober import EngineProber
from aidx.budget.settings import Settings
from aidx.model.blueprint import from_catalogue
from aidx.model.spec import Metadata, ModelSpec
from aidx.plan.probe import Probe, Probed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
LAYOUTS = ((1, True), (2, True), (5, True), (2, False), (5, False))


@pytest.fixture(scope="module")
def prober() -> Iterator[EngineProber]:
    one = EngineProber(deadline_s=60)
    yield one
    one.close()


def llama(**keys: int | list[int]) -> ModelSpec:
    """A small Llama; *keys* with ``__`` for a dot replace its own."""
    usual: dict[str, int | float | list[int]] = {
        "context_length": 4096,
        "vocab_size": 512,
        "block_count": 4,
        "embedding_length": 256,
        "feed_forward_length": 512,
        "attention__head_count": 4,
        "attention__layer_norm_rms_epsilon": 1e-5,
    }
    named = {f"llama.{key.replace('__', '.')}": value for key, value in (usual | keys).items()}
    return made(typed({"general.architecture": "llama", **named}), frozenset({"rope_freqs.weight"}))


def catalogued(name: str) -> ModelSpec:
    return from_catalogue(next(entry for entry in read_catalogue() if entry.id == name), "Q4_K_M")


def context_of(prober: EngineProber, model: ModelSpec, settings: Settings) -> Probed:
    answer = prober.ask(Probe(model, settings, GPU))
    assert isinstance(answer, Probed), answer
    return answer


def test_contexts_are_padded_to_256_cells_for_each_stream(prober: EngineProber) -> None:
    model = llama()
    asked = list(product((1, 255, 256, 257, 1000, 3000, 4096), LAYOUTS))
    for ctx_size, (parallel, unified) in asked:
        settings = Settings(ctx_size=ctx_size, parallel=parallel, kv_unified=unified, n_gpu_layers=5)
        assert context_of(prober, model, settings).n_ctx == settings.n_ctx
        assert differences(prober, model, settings, GPU) == []
    assert len(asked) == 35


@pytest.mark.parametrize("name", ["gemma-3-4b", "gpt-oss-20b", "gemma-2-9b"])
def test_windows_grow_with_unified_slots_and_are_full_where_asked(prober: EngineProber, name: str) -> None:
    model = catalogued(name)
    asked = list(product((512, 3000, 16384), LAYOUTS, (True, False), (64, 512)))
    for ctx_size, (parallel, unified), full, ubatch in asked:
        settings = Settings(
            ctx_size=ctx_size,
            parallel=parallel,
            kv_unified=unified,
            swa_full=full,
            ubatch_size=ubatch,
            n_gpu_layers=model.block_count + 1,
        )
        assert differences(prober, model, settings, GPU) == []
    assert len(asked) == 60


@pytest.mark.parametrize("flash", [True, False])
def test_without_flash_attention_every_v_is_as_wide_as_the_widest(prober: EngineProber, flash: bool) -> None:
    """Heads by block, as in LFM 2: blocks without KV heads keep none, the others the widest V."""
    keys = metadata("lfm2", Random(3))
    uneven = {
        **keys,
        **typed(
            {
                "lfm2.block_count": 4,
                "lfm2.embedding_length": 256,
                "lfm2.attention.head_count": 8,
                "lfm2.attention.head_count_kv": [4, 0, 4, 0],
                "lfm2.attention.sliding_window": 0,
            }
        ),
    }
    model = made(uneven)
    for (parallel, unified), gpus in product(LAYOUTS, (GPU, ())):
        settings = Settings(
            ctx_size=1000,
            parallel=parallel,
            kv_unified=unified,
            flash_attn=flash,
            n_gpu_layers=5 if gpus else 0,
        )
        assert differences(prober, model, settings, gpus) == []


@pytest.mark.parametrize("architecture", ["qwen35", "nemotron_h", "lfm2", "mamba"])
@pytest.mark.parametrize("rollbacks", [1, 3])
def test_each_rollback_is_one_more_row_of_state(prober: EngineProber, architecture: str, rollbacks: int) -> None:
    """n_rs_seq, which a server sets for drafts alone; where an architecture has no way back, it keeps no rows.

    No setting of ours asks for it: the prober is told by hand.
    """
    keys = {**metadata(architecture, Random(1)), f"{architecture}.attention.sliding_window": 0}
    keys.pop(f"{architecture}.nextn_predict_layers", None)
    model = made(keys)
    settings = Settings(ctx_size=256, parallel=2, n_gpu_layers=99)
    before = context_of(prober, model, settings)
    assert prober._child is not None
    fields = {"n_ctx": 256, "n_seq_max": 2, "n_outputs_max": 2, "flash_attn_type": 1, "kv_unified": True}
    reply = prober._child.exchange({"context": {**fields, "n_rs_seq": rollbacks}})
    state = sum(4 * (layer.conv_state + layer.recurrent_state) * 2 for layer in model.layers or ())
    grown = sum(row[3] for row in reply["buffers"]) - sum(buffer.context for buffer in before.buffers)

    assert state > 0
    assert grown == (0 if architecture == "mamba" else rollbacks * state), asdict(settings)


def without_prediction(keys: Metadata, architecture: str) -> Metadata:
    """The same trunk without the block after it; arrays longer than the blocks are cut by all readers."""
    blocks, ahead = keys[f"{architecture}.block_count"], keys[f"{architecture}.nextn_predict_layers"]
    assert isinstance(blocks, int)
    assert isinstance(ahead, int)
    return {**keys, f"{architecture}.block_count": blocks - ahead, f"{architecture}.nextn_predict_layers": 0}


def predicting(architecture: str) -> Metadata:
    """The first random model of *architecture* that predicts ahead."""
    drawn = (metadata(architecture, Random(number)) for number in range(100))
    return next(keys for keys in drawn if f"{architecture}.nextn_predict_layers" in keys)


@pytest.mark.parametrize("architecture", ["qwen35", "qwen35moe", "qwen3next"])
def test_a_block_that_predicts_ahead_takes_nothing(prober: EngineProber, architecture: str) -> None:
    """Neither weights nor cache: the engine's bytes are those of the trunk alone, on either device."""
    keys = predicting(architecture)
    settings = Settings(ctx_size=1000, n_gpu_layers=99)
    whole = context_of(prober, made(keys), settings)
    trunk = context_of(prober, made(without_prediction(keys, architecture)), settings)

    assert len(made(keys).tensors) > len(made(without_prediction(keys, architecture)).tensors)
    for with_it, without_it in zip(whole.buffers, trunk.buffers, strict=True):
        assert (with_it.name, with_it.model, with_it.context) == (
            without_it.name,
            without_it.model,
            without_it.context,
        )
    assert differences(prober, made(keys), settings, GPU) == []


def test_in_ling_3_it_has_a_cache_all_the_same(prober: EngineProber) -> None:
    model = made(predicting("bailingmoe3"))
    layers = model.layers or ()
    settings = Settings(ctx_size=1024, n_gpu_layers=99)

    assert len(layers) == model.block_count
    assert layers[-1].kv_heads == 1
    assert differences(prober, model, settings, GPU) == []
