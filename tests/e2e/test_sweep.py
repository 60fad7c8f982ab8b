"""The closed forms against the real engine, configuration by configuration.

Every 41st of all combinations of every model of the catalogue is asked; ``python benchmarks/sweep.py`` asks
for all.
"""

import json
import sys
from pathlib import Path

import pytest
from benchmarks.sweep import GPU, Compared, compare, configurations, models
from msgspec.structs import replace

from aidx.adapters.llama.prober import EngineProber
from aidx.budget.settings import Settings
from aidx.model import arch
from aidx.model.blueprint import present
from aidx.model.build import from_header
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32
from aidx.model.quants.assign import assign
from aidx.model.spec import Header, ModelSpec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
EVERY = 41
QUANTS = ("F16", "Q4_K_M", "Q8_0")  # in turn
MOST_OVER = 0.01
ARCH = Path(__file__).parents[1] / "golden" / "arch"


@pytest.fixture(scope="module")
def prober():
    one = EngineProber()
    yield one
    one.close()


def known() -> list[ModelSpec]:
    """Every model of the catalogue, the quantization in turn, and one of LFM 2, which the catalogue lacks."""
    each = [list(models((), quant)) for quant in QUANTS]
    return [same[number % len(QUANTS)] for number, same in enumerate(zip(*each, strict=True))] + [lfm2()]


def lfm2() -> ModelSpec:
    model = json.loads((ARCH / "lfm2.json").read_text("utf-8"))["models"][0]
    lists = {key: encode(I32, value) for key, value in model["metadata"].items() if isinstance(value, list)}
    metadata = {**model["metadata"], **lists}
    blanks = present(arch.find("lfm2").tensors(metadata), frozenset(model["absent"]))
    header = Header(metadata, assign(blanks, "Q4_K_M", metadata), size=0)
    return from_header(header, name=model["name"], source="file", file_bytes=0)


@pytest.fixture(scope="module")
def rows(prober) -> list[Compared]:
    """Both answers, one row a device."""
    return [
        row
        for number, model in enumerate(known())
        for settings, gpus in configurations(model, every=EVERY, start=7 * number % EVERY)
        for row in compare(prober, model, settings, gpus)
    ]


def differing(rows, field):
    return [row for row in rows if getattr(row, field)[0] != getattr(row, field)[1]]


def test_at_least_300_configurations_agree_to_the_byte(rows):
    asked = {(row.model, row.settings) for row in rows}
    differences = {field: len(differing(rows, field)) for field in ("weights", "kept", "compute")}
    print(f"{len(asked)} configurations, {len(rows)} accounts of devices; differences: {differences}")

    assert len(asked) >= 300
    assert differing(rows, "weights") == []
    assert differing(rows, "kept") == []


def test_the_total_is_never_under_and_at_most_one_percent_over(rows):
    over = [row.over for row in rows]
    print(f"total {min(over):+.4%} to {max(over):+.4%} of the engine's")

    assert min(over) >= 0
    assert max(over) <= MOST_OVER


def test_both_devices_every_cache_and_every_slot_layout_were_asked(rows):
    assert {row.device for row in rows} == {"gpu0", "host"}
    assert {row.settings.cache_type_k for row in rows} == {"f16", "q8_0", "q4_0"}
    assert {(row.settings.parallel, row.settings.kv_unified) for row in rows} == {(1, True), (4, True), (4, False)}
    assert {row.settings.flash_attn for row in rows} == {True, False}
    assert {row.settings.n_gpu_layers > 0 for row in rows} == {True, False}
    assert len({row.settings.ubatch_size for row in rows}) == 4


@pytest.mark.parametrize("kind", ["f32", "bf16", "q4_1", "iq4_nl", "q5_0", "q5_1"])
@pytest.mark.parametrize("gpus", [GPU, ()], ids=["gpu", "cpu"])
def test_rarer_cache_types_agree_to_the_byte(prober, kind, gpus):
    for model in models(["qwen3-0.6b", "gemma-3-4b", "deepseek-coder-v2-lite"], "F16"):
        settings = Settings(ctx_size=3000, cache_type_k=kind, cache_type_v=kind, n_gpu_layers=99 if gpus else 0)
        for row in compare(prober, model, settings, gpus):
            assert row.total[0] == row.total[1]


def test_split_between_gpu_and_host_the_total_is_never_under_and_mostly_equal(prober):
    """Blocks with a state or embeddings of their own, and batches below 32 tokens, are bounded; others are replayed."""
    found = []
    for number, model in enumerate(known()):
        offload = Settings(ctx_size=4096 + 512 * number, n_gpu_layers=1 + number % model.block_count)
        experts = replace(offload, n_gpu_layers=model.block_count + 1, n_cpu_moe=1 + number % model.block_count)
        plain = replace(offload, n_gpu_layers=1 + 7 * number % model.block_count, flash_attn=False)
        quantized = replace(offload, cache_type_k="q8_0", cache_type_v="q8_0", ubatch_size=128, parallel=4)
        for settings in (offload, experts, plain, quantized):
            found += [(is_bounded(model), row) for row in compare(prober, model, settings, GPU)]
    replayed = [row for bounded, row in found if not bounded]
    over = [row.over for _, row in found]
    equal = len(replayed) - len(differing(replayed, "compute"))
    print(f"{len(found)} accounts of devices; total {min(over):+.2%} to {max(over):+.2%} of the engine's")
    print(f"{equal} of {len(replayed)} of the others are equal")

    assert differing([row for _, row in found], "weights") == []
    assert differing([row for _, row in found], "kept") == []
    assert min(over) >= 0
    assert max(row.over for row in replayed) <= MOST_OVER
    assert equal >= 0.98 * len(replayed)


def is_bounded(model: ModelSpec) -> bool:
    """Blocks with a state, or with embeddings of their own (Gemma 4 E)."""
    states = any(layer.conv_state or layer.recurrent_state for layer in model.layers)
    return states or any("inp_gate" in tensor.name for tensor in model.tensors)
