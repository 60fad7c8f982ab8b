"""Which tensor lies where; the counts are llama.cpp's (``n_gpu_layers`` counts the output)."""

import pytest
from msgspec.structs import replace

from aidx.budget.placement import HOST, gpu_layers, place
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import Layer
from aidx.model.tensor import TYPES, Tensor
from tests.fakes.models import qwen2, qwen3moe
from tests.fakes.published import published

MODEL = qwen2(blocks=4)
AHEAD = qwen2(blocks=4, nextn_predict_layers=1)


def at(layers, **changed):
    return place(MODEL, Settings(ctx_size=256, n_gpu_layers=layers, **changed), gpus=1)


def tensor(name, shape=(64, 64), kind="f16"):
    return Tensor(name, shape, TYPES[kind])


@pytest.mark.parametrize(("asked", "count"), [(-1, 5), (0, 0), (3, 3), (5, 5), (99, 5)])
def test_layers_on_the_gpu_count_the_output(asked, count):
    assert gpu_layers(4, asked) == count


def test_the_output_goes_first_and_the_first_block_last():
    assert at(0).blocks == (HOST,) * 4
    assert at(0).output == HOST
    assert at(1).blocks == (HOST,) * 4
    assert at(1).output == "gpu0"
    assert at(4).blocks == (HOST, "gpu0", "gpu0", "gpu0")
    assert at(5).blocks == ("gpu0",) * 4


def test_tokens_are_looked_up_on_the_host():
    full = at(5)

    assert full.holders(tensor("token_embd.weight")) == (HOST,)
    assert full.holders(tensor("output.weight")) == ("gpu0",)
    assert full.holders(tensor("output_norm.weight", (64,))) == ("gpu0",)
    assert full.holders(tensor("blk.3.attn_q.weight")) == ("gpu0",)


def test_tied_embeddings_are_copied_to_the_device_of_the_output():
    tied = tuple(each for each in MODEL.tensors if each.name != "output.weight")
    model = replace(MODEL, header=replace(MODEL.header, tensors=tied))
    embedding = tensor("token_embd.weight")

    assert place(model, Settings(ctx_size=256, n_gpu_layers=5), gpus=1).holders(embedding) == ("gpu0", HOST)
    assert place(model, Settings(ctx_size=256, n_gpu_layers=0), gpus=1).holders(embedding) == (HOST,)
    assert place(model, Settings(ctx_size=256), gpus=0).holders(embedding) == (HOST,)


@pytest.mark.parametrize(("kind", "copies"), [("q4_0", 2), ("q4_K", 2), ("q6_K", 1), ("f16", 1)])
def test_a_tied_output_that_is_repacked_for_the_cpu_is_a_second_copy(kind, copies):
    """xllamacpp 2026.10.11549 on AVX2: a tied q4_0 embedding lies in CPU and in CPU_REPACK, a q6_K one once."""
    embedding = tensor("token_embd.weight", (256, 64), kind)
    model = replace(MODEL, header=replace(MODEL.header, tensors=(embedding,)))

    assert len(place(model, Settings(ctx_size=256), gpus=0).holders(embedding)) == copies


def test_rows_that_do_not_divide_by_eight_are_not_repacked():
    embedding = tensor("token_embd.weight", (256, 63), "q4_0")
    model = replace(MODEL, header=replace(MODEL.header, tensors=(embedding,)))

    assert place(model, Settings(ctx_size=256), gpus=0).holders(embedding) == (HOST,)


def test_a_model_without_an_embedding_can_be_placed():
    model = replace(MODEL, header=replace(MODEL.header, tensors=()))

    assert place(model, Settings(ctx_size=256), gpus=0).shares


def test_experts_of_the_first_blocks_stay_on_the_host():
    placement = place(qwen3moe(blocks=4), Settings(ctx_size=256, n_gpu_layers=5, n_cpu_moe=2), gpus=1)

    assert placement.holders(tensor("blk.1.ffn_gate_exps.weight")) == (HOST,)
    assert placement.holders(tensor("blk.1.ffn_up_exps.bias")) == (HOST,)
    assert placement.holders(tensor("blk.2.ffn_gate_exps.weight")) == ("gpu0",)
    assert placement.holders(tensor("blk.1.ffn_gate_inp.weight")) == ("gpu0",)
    assert placement.holders(tensor("blk.1.ffn_up_shexp.weight")) == ("gpu0",)


def test_prediction_blocks_are_not_loaded():
    model = replace(AHEAD, layers=(AHEAD.layers or ())[:3])

    assert place(model, Settings(ctx_size=256, n_gpu_layers=5), gpus=1).holders(tensor("blk.3.attn_q.weight")) == ()


def test_a_prediction_block_may_keep_a_cache_without_weights():
    placement = place(AHEAD, Settings(ctx_size=256, n_gpu_layers=2), gpus=1)

    assert placement.blocks == (HOST, HOST, HOST, "gpu0")
    assert placement.holders(tensor("blk.3.attn_q.weight")) == ()
    assert placement.rotary == (HOST,)


def test_rotary_factors_lie_on_each_device_that_has_a_block():
    factors = tensor("rope_freqs.weight", (64,), "f32")

    assert at(5).holders(factors) == ("gpu0",)
    assert at(3).holders(factors) == ("gpu0", HOST)
    assert at(0).holders(factors) == (HOST,)


def test_gemma_4_turns_only_its_global_blocks_by_the_factors():
    layers = (Layer(1, 64, 64, window=512), Layer(1, 64, 64))
    model = replace(MODEL, architecture="gemma4", layers=layers, block_count=2)

    placement = place(model, Settings(ctx_size=256, n_gpu_layers=2), gpus=1)

    assert placement.blocks == (HOST, "gpu0")
    assert placement.holders(tensor("rope_freqs.weight", (64,), "f32")) == ("gpu0",)
    assert placement.holders(tensor("per_layer_model_proj.weight")) == (HOST,)


def test_lfm2_files_its_final_norm_as_one_of_the_embedding_which_others_apply_in_the_first_block():
    norm = tensor("token_embd_norm.weight", (64,), "f32")
    lfm2 = replace(MODEL, architecture="lfm2")

    assert place(lfm2, Settings(ctx_size=256, n_gpu_layers=4), gpus=1).holders(norm) == ("gpu0",)
    assert at(4).holders(norm) == (HOST,)
    assert at(5).holders(norm) == ("gpu0",)


@pytest.mark.parametrize("name", ["output_res_score.weight", "output_hc_norm.weight", "output_norm.bias"])
def test_what_belongs_to_the_output_goes_with_it(name):
    assert at(1).holders(tensor(name, (64,), "f32")) == ("gpu0",)
    assert at(0).holders(tensor(name, (64,), "f32")) == (HOST,)


def test_a_gpu_takes_part_even_when_everything_lies_on_the_host():
    assert at(0).devices == ("gpu0", HOST)
    assert place(MODEL, Settings(ctx_size=256), gpus=0).devices == (HOST,)


def test_layers_go_to_gpus_in_order_by_their_parts_and_the_output_comes_last():
    placement = place(MODEL, Settings(ctx_size=256, n_gpu_layers=99, tensor_split=(3, 1)), gpus=2)
    blocks = len(placement.blocks)

    assert placement.blocks == ("gpu0",) * (blocks - placement.blocks.count("gpu1")) + ("gpu1",) * (
        placement.blocks.count("gpu1")
    )
    assert abs(placement.blocks.count("gpu0") - 0.75 * (blocks + 1)) <= 1
    assert placement.output == "gpu1"
    assert placement.devices == ("gpu0", "gpu1", "host")


def test_only_whole_models_on_several_gpus_keep_four_copies_of_their_inputs():
    whole = Settings(ctx_size=256, n_gpu_layers=99, tensor_split=(1, 1))
    partly = replace(whole, n_gpu_layers=3)
    alone = replace(whole, split_mode="none", tensor_split=())

    assert [place(MODEL, settings, gpus=2).copies for settings in (whole, partly, alone)] == [4, 1, 1]


def test_split_mode_none_uses_the_main_gpu_alone():
    settings = Settings(ctx_size=256, n_gpu_layers=99, split_mode="none", main_gpu=1)
    placement = place(MODEL, settings, gpus=3)

    assert set(placement.blocks) == {"gpu1"}
    assert placement.devices == ("gpu1", "host")
    with pytest.raises(InputError, match="--main-gpu 3 is not planned"):
        place(MODEL, replace(settings, main_gpu=3), gpus=3)


def test_parts_that_do_not_match_the_gpus_and_unknown_architectures_are_refused():
    with pytest.raises(InputError, match="0 parts, and 2 GPUs are planned"):
        place(MODEL, Settings(ctx_size=256), gpus=2)
    with pytest.raises(InputError, match="layers of architecture 'qwen2' are not known"):
        place(replace(MODEL, layers=None), Settings(ctx_size=256), gpus=0)


def test_some_families_load_parts_of_the_blocks_that_predict_ahead():
    """Step 3.5 Flash has three: the engine asks for them without the flag that skips them."""
    model = published("step-3.5-flash", "F16")
    whole = place(model, Settings(ctx_size=256, n_gpu_layers=99), gpus=1)
    first = len(model.layers)

    assert whole.ahead == ("gpu0",) * 3
    assert whole.holders(tensor(f"blk.{first}.ffn_gate.weight")) == ("gpu0",)
    assert whole.holders(tensor(f"blk.{first}.attn_q.weight")) == ()
    assert place(AHEAD, Settings(ctx_size=256), gpus=1).ahead == ()


def test_bitnet_multiplies_by_the_embedding_where_it_lies():
    model = published("bitnet-b1.58-large", "F16")
    embedding = next(each for each in model.tensors if each.name == "token_embd.weight")

    assert place(model, Settings(ctx_size=256, n_gpu_layers=99), gpus=1).holders(embedding) == (HOST,)


def test_gemma_3n_copies_its_tied_output_and_takes_its_streams_apart_with_it():
    model = published("gemma-3n-e2b", "F16")
    at_all = place(model, Settings(ctx_size=256, n_gpu_layers=99), gpus=1)

    assert at_all.holders(tensor("token_embd.weight")) == ("gpu0", HOST)
    assert not at_all.shares
    assert at_all.holders(tensor("altup_proj.weight")) == (at_all.output,)
    assert at_all.holders(tensor("altup_unembd_proj.weight")) == (at_all.output,)
