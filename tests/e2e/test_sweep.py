"""The closed forms against the real engine, configuration by configuration.

Every 41st of all combinations of every model of the catalogue is asked; ``python benchmarks/sweep.py`` asks
for all.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.sweep import GPU, Compared, _overflows, compare, configurations, models
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


_ROUGH = ("gpt-oss",)


def spread(model: ModelSpec, number: int) -> Iterator[tuple[Settings, tuple[int, ...]]]:
    """A model in parts: blocks or experts on the host, small batches that the host computes, two and three GPUs."""
    count = model.block_count
    offload = Settings(ctx_size=4096 + 512 * number, n_gpu_layers=1 + number % count)
    plain = replace(offload, n_gpu_layers=1 + 7 * number % count, flash_attn=False)
    yield offload, GPU
    yield replace(offload, n_gpu_layers=count + 1, n_cpu_moe=1 + number % count), GPU
    yield plain, GPU
    yield replace(offload, cache_type_k="q8_0", cache_type_v="q8_0", ubatch_size=128, parallel=4), GPU
    yield replace(offload, n_gpu_layers=1 + 5 * number % count, cache_type_k="f32", cache_type_v="f32"), GPU
    yield replace(plain, ubatch_size=8 + number % 24), GPU
    yield replace(offload, n_gpu_layers=count + 1, tensor_split=(1 + number % 3, 2)), 2 * GPU
    yield replace(plain, parallel=2, kv_unified=False, tensor_split=(2, 1 + number % 3, 1)), 3 * GPU


@pytest.fixture(scope="module")
def parts(prober) -> list[Compared]:
    """Both answers for models in parts, one row a device."""
    return [
        row
        for number, model in enumerate(known())
        for settings, gpus in spread(model, number)
        if not _overflows(model, settings)
        for row in compare(prober, model, settings, gpus)
    ]


def test_models_in_parts_are_the_engine_s_to_the_byte(parts):
    """gpt-oss gets a row of its embedding more where batches are below 32 tokens; all else is equal."""
    print(f"{len(parts)} accounts of devices, {len(differing(parts, 'compute'))} differ")

    assert len(parts) >= 900
    assert {row.device for row in parts} == {"gpu0", "gpu1", "gpu2", "host"}
    assert differing(parts, "weights") == []
    assert differing(parts, "kept") == []
    assert [row for row in differing(parts, "compute") if not row.model.startswith(_ROUGH)] == []
    assert min(row.over for row in parts) >= 0
    assert max(row.over for row in parts) <= MOST_OVER
