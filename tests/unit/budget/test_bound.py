"""The bound of the compute buffer; that it is never under the engine's is held in ``tests/e2e/test_bound.py``."""

import pytest
from msgspec.structs import replace

from aidx.budget.allocate import allocate
from aidx.budget.bound import Bound, is_replayed
from aidx.budget.placement import place
from aidx.budget.settings import Settings
from aidx.model.tensor import TYPES, Tensor
from tests.fakes.models import mamba, qwen2, qwen3moe
from tests.fakes.published import published

SETTINGS = Settings(ctx_size=8192, n_gpu_layers=99)
MODEL = qwen2(blocks=4)
STRANGE = (Tensor("blk.0.whatever", (3, 5, 7), TYPES["f16"]), Tensor("blk.9.attn_q.weight", (8, 8), TYPES["f16"]))


def size(model=MODEL, gpus=1, device="gpu0", **changed):
    settings = replace(SETTINGS, **changed)
    return Bound(model)(settings, place(model, settings, gpus=gpus), device).bytes


def renamed(model, architecture):
    """*model* with the metadata of another family."""
    old = model.architecture
    metadata = {key.replace(f"{old}.", f"{architecture}."): value for key, value in model.header.metadata.items()}
    header = replace(model.header, metadata={**metadata, "general.architecture": architecture})
    return replace(model, architecture=architecture, header=header)


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_tensors_that_nobody_knows_are_bounded_too(gpus):
    model = renamed(MODEL, "bloom")
    model = replace(model, header=replace(model.header, tensors=STRANGE))

    settings = replace(SETTINGS, tensor_split=(1.0,) * gpus)

    computed = [entry for entries in allocate(model, settings, gpus=gpus).values() for entry in entries]
    compute = [entry for entry in computed if entry.what == "compute"]

    assert len(compute) == gpus + 1
    for entry in compute:
        assert entry.bytes > 0
        assert entry.grade == "modelled"
        assert entry.why == "a bound from tensor shapes: 512 tokens at once over 8,192 cells"


def test_a_model_without_tensors_is_bounded_by_what_comes_in():
    bare = replace(MODEL, header=replace(MODEL.header, tensors=()))

    assert 0 < size(bare) < size()


def test_replayed_families_are_not_bounded():
    assert is_replayed("qwen2")
    assert not is_replayed("bloom")
    for settings in (SETTINGS, replace(SETTINGS, n_gpu_layers=3)):
        entries = allocate(MODEL, settings, gpus=1)["gpu0"]
        assert "bound" not in next(entry.why for entry in entries if entry.what == "compute")


@pytest.mark.parametrize("model", [MODEL, qwen3moe(), mamba(4)], ids=lambda model: model.architecture)
@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ({"ctx_size": 4096}, {"ctx_size": 32768}),
        ({"ubatch_size": 128}, {"ubatch_size": 512}),
        ({}, {"parallel": 4}),
        ({}, {"n_gpu_layers": 2}),
        ({"flash_attn": True}, {"flash_attn": False}),
    ],
)
def test_more_of_anything_never_takes_less(model, smaller, larger):
    assert size(model, **smaller) <= size(model, **larger)


def test_a_host_that_only_looks_up_takes_less_than_one_that_computes():
    """All layers on the GPU, some of them, and no GPU; small batches are computed where the weights lie."""
    looks_up, keeps = size(device="host"), size(device="host", n_gpu_layers=2)
    computes = size(device="host", n_gpu_layers=2, ubatch_size=16, ctx_size=256)

    assert looks_up < keeps < size(gpus=0, device="host")
    assert computes > size(device="host", ubatch_size=16, ctx_size=256)


def test_states_are_computed_where_they_lie():
    model = mamba(4)

    assert size(model, device="host", n_gpu_layers=2) > size(model, device="host") + 2 * 4 * 5120 * 16


def test_without_flash_attention_a_split_host_holds_the_weights_of_every_head():
    flash, without = (size(device="host", n_gpu_layers=2, flash_attn=each) for each in (True, False))

    assert without - flash > 4 * 512 * 40 * 8192


def test_each_of_two_gpus_keeps_copies_of_inputs():
    assert size(gpus=2, tensor_split=(1.0, 1.0)) > size()
    assert size(gpus=2, tensor_split=(1.0, 1.0), device="host") > size(device="host")


@pytest.mark.parametrize("name", ["gemma-3n-e2b", "glm-5", "minimax-text-01", "minimax-m3", "gpt2", "phi-2"])
def test_special_models_take_more_for_more_tokens_and_for_two_gpus(name):
    """Embeddings a block, indexers, decays, learned positions, parts side by side."""
    model = published(name)

    assert size(model) > size(model, ubatch_size=128) > 0
    assert size(model, gpus=2, tensor_split=(1.0, 1.0)) > size(model)


def test_a_projection_that_belongs_to_no_block_is_fetched_too():
    model = published("gemma-3n-e4b")
    projection = next(tensor.bytes for tensor in model.tensors if tensor.name == "per_layer_model_proj.weight")

    assert size(model, n_gpu_layers=1) - size(model) > projection


def test_weights_of_heads_beside_an_indexer_are_counted_twice_where_the_graph_is_cut():
    model = published("glm-5")
    heads, cells = 64, 8192
    weights = 4 * 512 * heads * cells

    whole, cut = ({"flash_attn": False, "n_gpu_layers": layers} for layers in (99, 1))

    assert size(model, **whole) > weights
    assert size(model, **cut) - size(model, flash_attn=True, n_gpu_layers=1) > 2 * weights
