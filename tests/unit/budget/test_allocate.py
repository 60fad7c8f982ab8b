"""The entries of one engine process against the engine's own bytes, and what they say."""

import json
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from aidx.adapters.catalogue import read_catalogue
from aidx.budget.allocate import Allocator, allocate, check_settings
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.blueprint import from_catalogue
from aidx.model.spec import Layer
from tests.fakes.models import qwen2, qwen3moe
from tests.fakes.published import published

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "compute.json").read_text("utf-8"))
ENGINE = {"weights", "kv_cache", "recurrent_state", "compute", "scratch"}  # what the engine reports
MODEL = qwen2()


@cache
def catalogue(name):
    entry = next(entry for entry in read_catalogue() if entry.id == name)
    return from_catalogue(entry, GOLDEN["quant"])


def named(entries, device):
    return {entry.what: entry for entry in entries[device]}


def is_split(row):
    return 0 < row["settings"].get("n_gpu_layers", 0) <= catalogue(row["model"]).block_count


@pytest.mark.parametrize("row", GOLDEN["rows"], ids=lambda row: row["model"] + str(row["settings"]))
def test_every_byte_is_the_engines(row):
    """One model of each make, whole on a GPU or on the CPU alone; split between them compute is bounded."""
    entries = allocate(catalogue(row["model"]), Settings(**row["settings"]), gpus=row["gpus"])

    for device, ours in entries.items():
        buffers = [sizes for where, _, *sizes in row["buffers"] if where == device]
        model, context, compute = (sum(column) for column in zip(*buffers, strict=True))
        found = {entry.what: entry.bytes for entry in ours}
        assert found["weights"] == model
        assert found.get("kv_cache", 0) + found.get("recurrent_state", 0) == context
        computed = found.get("compute", 0) + found.get("scratch", 0)
        assert computed >= compute if is_split(row) else computed == compute


def test_the_golden_file_holds_each_architecture_on_both_devices():
    seen = {(catalogue(row["model"]).architecture, row["gpus"]) for row in GOLDEN["rows"]}
    known = {str(entry.metadata["general.architecture"]) for entry in read_catalogue()}

    assert {name for name, _ in seen} == known - {"nemotron_h_moe"}
    assert {gpus for _, gpus in seen} == {0, 1}


def test_qwen_coder_14b_takes_129_mib_of_compute_at_8192_tokens():
    """xllamacpp 2026.10.11549: CUDA0 compute buffer 129.01 MiB, CPU 48.02 MiB; 1,536 MiB of cache."""
    entries = allocate(MODEL, Settings(ctx_size=8192, n_gpu_layers=49), gpus=1)
    gpu, host = named(entries, "gpu0"), named(entries, "host")

    assert gpu["compute"].bytes == 135_280_768
    assert gpu["kv_cache"].bytes == 1_610_612_736
    assert host["compute"].bytes == 50_350_112
    assert host["output"].bytes == 152_064 * 4


def test_entries_say_why_and_how_sure():
    entries = allocate(
        MODEL, Settings(ctx_size=8192, n_gpu_layers=49, cache_type_k="q8_0", cache_type_v="q8_0"), gpus=1
    )
    gpu, host = named(entries, "gpu0"), named(entries, "host")

    assert gpu["kv_cache"].why == "48 layers x 8,192 tokens x 2,176 B (K q8_0, V q8_0)"
    assert gpu["weights"].why == "578 tensors of Q4_K_M"
    assert gpu["compute"].why == "worst-case graph: 512 tokens at once over 8,192 cells"
    assert host["compute"].why.startswith("inputs of the graph: 512 tokens")
    assert [gpu[what].grade for what in ("weights", "kv_cache", "compute", "scratch")] == [
        "exact",
        "exact",
        "modelled",
        "modelled",
    ]


def test_scratch_and_compute_are_told_apart_and_sum_up_to_the_engines():
    """The f16 copies of one layer's K and V: 8,192 tokens x 2 x 1,024 elements x 2 B."""
    settings = Settings(ctx_size=8192, n_gpu_layers=49)
    plain = named(allocate(MODEL, settings, gpus=1), "gpu0")
    small = named(allocate(MODEL, replace(settings, cache_type_k="q8_0", cache_type_v="q8_0"), gpus=1), "gpu0")

    assert "scratch" not in plain
    assert small["scratch"].bytes == 8192 * 2 * 1024 * 2
    assert small["compute"].bytes + small["scratch"].bytes == 135_362_688  # asked of the engine


def test_a_cpu_alone_has_one_account_and_no_scratch():
    entries = allocate(MODEL, Settings(ctx_size=8192, cache_type_k="q8_0", cache_type_v="q8_0"), gpus=0)

    assert list(entries) == ["host"]
    assert "scratch" not in named(entries, "host")
    assert named(entries, "host")["weights"].grade == "modelled"
    assert "repack" in named(entries, "host")["weights"].why


def test_caches_and_checkpoints_of_the_server_lie_on_the_host():
    model = replace(MODEL, layers=(Layer(8, 128, 128, window=1024), Layer(conv_state=100, recurrent_state=1000)) * 24)
    settings = Settings(ctx_size=8192, parallel=2, cache_ram=1 << 30, ctx_checkpoints=3, n_gpu_layers=49)
    host = named(allocate(model, settings, gpus=1), "host")

    assert host["prompt_cache"].bytes == 1 << 30
    window = 4096 * 2560  # two windows and one physical batch, to 256 tokens
    each = 24 * (window + 24) + 24 * (416 + 4000 + 24) + 2560 * 12 + 128
    assert host["checkpoints"].bytes == 3 * 2 * each
    assert host["checkpoints"].why.startswith("3 checkpoints x 2 slots x ")
    kept = allocate(model, replace(settings, swa_full=True), gpus=1)
    assert named(kept, "host")["checkpoints"].bytes == 3 * 2 * (24 * (416 + 4000 + 24) + 128)


def test_groups_of_layers_are_named_one_by_one():
    model = replace(MODEL, layers=(Layer(8, 128, 128, window=512), Layer(8, 128, 128)) * 24)
    why = named(allocate(model, Settings(ctx_size=8192), gpus=0), "host")["kv_cache"].why

    assert why == "24 layers x 1,024 tokens x 4,096 B + 24 layers x 8,192 tokens x 4,096 B (K f16, V f16)"


def test_entries_of_no_bytes_are_left_out():
    entries = allocate(MODEL, Settings(ctx_size=8192, n_gpu_layers=0), gpus=1)

    assert set(named(entries, "gpu0")) == {"compute"}
    assert set(named(entries, "host")) == {"weights", "kv_cache", "compute", "output"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ctx_size": 0}, "--ctx-size 0 is below 1"),
        ({"parallel": 0}, "--parallel 0 is below 1"),
        ({"parallel": 257}, "--parallel 257 is above 256"),
        ({"ubatch_size": 0}, "--ubatch-size 0 is below 1"),
        ({"batch_size": -1}, "--batch-size -1 is below 1"),
        ({"n_cpu_moe": -1}, "--n-cpu-moe -1 is below 0"),
        ({"cache_ram": -1}, "--cache-ram -1 is below 0"),
        ({"ctx_checkpoints": -1}, "--ctx-checkpoints -1 is below 0"),
    ],
)
def test_numbers_that_no_engine_takes_are_refused(changed, message):
    with pytest.raises(InputError, match=message) as refused:
        check_settings(replace(Settings(ctx_size=256), **changed))

    assert refused.value.hint.startswith("Use --")


def test_an_allocator_answers_many_settings_as_allocate_does():
    allocator = Allocator(qwen3moe(), gpus=1)
    settings = [
        Settings(ctx_size=512, n_gpu_layers=layers, n_cpu_moe=experts) for layers in (0, 2, 5) for experts in (0, 1)
    ]

    for each in (*settings, *reversed(settings)):
        assert allocator(each) == allocate(qwen3moe(), each, gpus=1)


def test_a_tied_output_is_said_to_be_a_copy():
    tied = tuple(tensor for tensor in MODEL.tensors if tensor.name != "output.weight")
    model = replace(MODEL, header=replace(MODEL.header, tensors=tied))
    entries = allocate(model, Settings(ctx_size=256, n_gpu_layers=49), gpus=1)

    assert named(entries, "gpu0")["weights"].why.endswith("token embeddings copied as output")


def test_grok_runs_without_flash_attention_whatever_is_asked():
    """llama_init_from_model turns it off, so V must stay as it is."""
    model = published("grok-1", "F16")
    asked = Settings(ctx_size=4096, n_gpu_layers=99)

    assert allocate(model, asked, gpus=1) == allocate(model, replace(asked, flash_attn=False), gpus=1)
    with pytest.raises(InputError, match="needs flash attention"):
        allocate(model, replace(asked, cache_type_v="q8_0"), gpus=1)
