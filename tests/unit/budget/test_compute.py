"""The modelled compute buffer; figures are the engine's. tests/golden/compute.json holds many more."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from aidx.adapters.catalogue import read_catalogue
from aidx.budget.allocate import allocate
from aidx.budget.geometry import geometry
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model import arch
from aidx.model.blueprint import from_catalogue
from aidx.model.build import from_header
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32
from aidx.model.quants.assign import assign
from aidx.model.spec import Header, Layer
from tests.fakes.models import qwen2, qwen3moe, with_metadata

GOLDEN = Path(__file__).parents[2] / "golden" / "arch" / "lfm2.json"


def lfm2():
    """LFM2-1.2B, which the catalogue lacks."""
    model = json.loads(GOLDEN.read_text("utf-8"))["models"][0]
    lists = {key: encode(I32, value) for key, value in model["metadata"].items() if isinstance(value, list)}
    metadata = {**model["metadata"], **lists}
    blanks = [blank for blank in arch.find("lfm2").tensors(metadata) if blank.name not in model["absent"]]
    header = Header(metadata, assign(blanks, "F16", metadata), size=0)
    return from_header(header, name="lfm2-1.2b", source="file", file_bytes=0)


def computed(model, settings, device="gpu0", gpus=1):
    entries = allocate(model, settings, gpus=gpus)[device]
    return sum(entry.bytes for entry in entries if entry.what in {"compute", "scratch"})


def test_short_convolutions_take_what_the_engine_says():
    """xllamacpp 2026.10.11549, LFM2-1.2B F16 at 8,192 tokens: CUDA0 75,512,064 bytes, CPU 25,184,320."""
    settings = Settings(ctx_size=8192, n_gpu_layers=17)

    assert computed(lfm2(), settings) == 75_512_064
    assert computed(lfm2(), replace(settings, parallel=4)) == 75_512_064
    assert computed(lfm2(), settings, "host") == 25_184_320


def test_values_inside_a_fused_product_are_rotated_too():
    """xllamacpp 2026.10.11549, Phi-4-mini with K and V in q8_0 at 4,096 tokens: CUDA0 79,788,160 bytes."""
    model = from_catalogue(next(entry for entry in read_catalogue() if entry.id == "phi-4-mini"), "F16")
    settings = Settings(ctx_size=4096, cache_type_k="q8_0", cache_type_v="q8_0", n_gpu_layers=33)

    assert computed(model, settings) == 79_788_160


@pytest.mark.parametrize(
    ("layers", "flash", "gpu", "host"),
    [
        # Asked of xllamacpp 2026.10.11549 for Qwen2.5-Coder-14B Q4_K_M at 8,192 tokens, in MiB.
        (48, True, 165.97, 48.02),
        (24, True, 165.97, 48.02),
        (0, True, 165.97, 48.02),
        (24, False, 738.00, 60.01),
    ],
)
def test_both_sides_of_a_split_model_are_the_engine_s(layers, flash, gpu, host):
    settings = Settings(ctx_size=8192, n_gpu_layers=layers, flash_attn=flash)

    assert round(computed(qwen2(), settings) / 2**20, 2) == gpu
    assert round(computed(qwen2(), settings, "host") / 2**20, 2) == host
    assert "cut between devices" in next(
        entry.why for entry in allocate(qwen2(), settings, gpus=1)["gpu0"] if entry.what == "compute"
    )


def test_batches_below_32_tokens_are_computed_where_the_weights_are():
    """llama.cpp's op_offload: with 16 tokens the host needs 4.34 MiB, and 1.50 when all is on the GPU."""
    settings = Settings(ctx_size=8192, n_gpu_layers=24, ubatch_size=16)

    assert computed(qwen2(), settings, "host") / 2**20 >= 4.33
    assert computed(qwen2(), replace(settings, n_gpu_layers=49), "host") / 2**20 < 1.51


def test_experts_on_the_host_are_fetched_one_matrix_at_a_time():
    settings = Settings(ctx_size=8192, n_gpu_layers=5)
    largest = max(tensor.bytes for tensor in qwen3moe().tensors if "_exps" in tensor.name)
    all_there = computed(qwen3moe(), settings)

    assert all_there < computed(qwen3moe(), replace(settings, n_cpu_moe=1)) <= all_there + 2 * largest
    assert computed(qwen3moe(), replace(settings, n_cpu_moe=4)) == computed(qwen3moe(), replace(settings, n_cpu_moe=1))


def test_alike_blocks_in_the_middle_are_not_repeated():
    assert len(geometry(qwen2(blocks=48)).blocks) == 4
    assert computed(qwen2(blocks=12), Settings(ctx_size=512, n_gpu_layers=13)) == computed(
        qwen2(blocks=96), Settings(ctx_size=512, n_gpu_layers=97)
    )


def test_blocks_without_a_period_are_all_kept():
    layer = Layer(8, 128, 128)
    uneven = [replace(layer, window=256 if kind == "a" else None) for kind in "aaabbbabbaa"]
    model = replace(qwen2(blocks=11), layers=tuple(uneven))

    assert len(geometry(model).blocks) == 11
    even = [replace(layer, window=256 if kind == "a" else None) for kind in "abababababa"]
    assert [block.number for block in geometry(replace(model, layers=tuple(even))).blocks] == [0, 1, 2, 3, 4, 5, 10]


def test_a_number_of_experts_that_no_engine_takes_is_refused():
    model = qwen3moe()
    damaged = with_metadata(model, {**model.header.metadata, "qwen3moe.expert_used_count": 1 << 39})

    with pytest.raises(InputError, match="expert_used_count is 549755813888, above 1024"):
        allocate(damaged, Settings(ctx_size=256), gpus=0)


def test_a_block_without_the_tensor_that_its_kind_needs_is_refused():
    model = replace(qwen2(blocks=2), layers=(Layer(kv_heads=1, key_dim=576),) * 2)

    with pytest.raises(InputError, match=r"block 0 lacks the tensor attn_kv_a_norm\.weight"):
        allocate(model, Settings(ctx_size=256), gpus=0)
