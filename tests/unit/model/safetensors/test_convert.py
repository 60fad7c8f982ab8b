"""From a configuration and shapes to the conversion, or to the reason why there is none."""

import json

import pytest
from tests.fakes.checkpoints import LLAMA, shapes

from aidx.errors import InputError
from aidx.model.safetensors.config import LIMIT, Config, read_config
from aidx.model.safetensors.convert import convert
from aidx.model.safetensors.families import FAMILIES
from aidx.model.safetensors.files import Index
from aidx.model.safetensors.header import Weight

GEMMA3 = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    },
    "vision_config": {"hidden_size": 1152, "num_attention_heads": 16},
}
"""As published: most of it is left to the defaults of its class."""


def weights(found, dtype="BF16"):
    return {name: Weight(dtype, shape) for name, shape in found.items()}


def converted(config, found=None, dtype="BF16"):
    return convert(Config(config), weights(shapes(config) if found is None else found, dtype))


def refused(config, found=None):
    with pytest.raises(InputError) as caught:
        converted(config, found)
    assert caught.value.hint
    return str(caught.value)


def names(config, found=None):
    return {blank.name for blank in converted(config, found).blanks}


def test_the_output_projection_is_there_where_the_checkpoint_has_one():
    assert "output.weight" in names(LLAMA)
    assert "output.weight" not in names({**LLAMA, "tie_word_embeddings": True})


def test_rotary_factors_are_made_for_llama_3():
    scaling = {"rope_type": "llama3", "factor": 8.0}

    assert "rope_freqs.weight" not in names(LLAMA)
    assert "rope_freqs.weight" in names({**LLAMA, "rope_scaling": scaling})
    assert "rope_freqs.weight" in names({**LLAMA, "rope_parameters": scaling})


def test_buffers_that_old_checkpoints_keep_are_no_weights():
    found = {**shapes(LLAMA), "model.layers.0.self_attn.rotary_emb.inv_freq": (16,)}

    assert converted(LLAMA, found).left_out == 16


def test_the_type_is_what_the_converter_would_choose():
    assert [converted(LLAMA, dtype=dtype).native for dtype in ("BF16", "F16", "F32")] == ["BF16", "F16", "BF16"]


def test_a_model_that_sees_is_planned_without_its_eyes():
    text = {"architectures": GEMMA3["architectures"], "tie_word_embeddings": True, **GEMMA3["text_config"]}
    eyes = {"vision_tower.vision_model.encoder.x": (7, 3), "multi_modal_projector.mm_input_projection_weight": (5,)}

    found = converted(GEMMA3, {**shapes(text, "language_model.model."), **eyes})

    assert found.left_out == 26
    assert found.metadata["gemma3.attention.head_count"] == 8
    assert found.metadata["gemma3.vocab_size"] == 262_144
    # as its published GGUF file: 3,880,099,328 weights (facts of gemma-3-4b)
    assert (
        sum(blank.shape[0] * (blank.shape[1] if len(blank.shape) > 1 else 1) for blank in found.blanks) == 3_880_099_328
    )


def test_mixtral():
    config = {**LLAMA, "architectures": ["MixtralForCausalLM"], "num_local_experts": 8, "num_experts_per_tok": 2}

    assert converted(config).metadata["llama.expert_count"] == 8
    assert "blk.1.ffn_down_exps.weight" in names(config)


@pytest.mark.parametrize("change", [{"num_hidden_layers": 3}, {"intermediate_size": 513}, {"vocab_size": 1025}])
def test_weights_that_disagree_with_the_configuration(change):
    assert "weights, the checkpoint holds" in refused({**LLAMA, **change}, shapes(LLAMA))


def test_a_tensor_that_is_missing():
    found = shapes(LLAMA)
    del found["model.layers.1.mlp.up_proj.weight"]

    assert "weights, the checkpoint holds" in refused(LLAMA, found)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architectures": ["WhisperForConditionalGeneration"]}, "Qwen2ForCausalLM"),
        ({"architectures": []}, "names no architecture"),
        ({"architectures": None}, "names no architecture"),
        ({"architectures": [3]}, "names no architecture"),
        ({"quantization_config": {"quant_method": "awq"}}, r"quantized already \(awq\)"),
        ({"hidden_size": None}, "lacks hidden_size"),
        ({"hidden_size": "wide"}, "hidden_size is 'wide'"),
        ({"hidden_size": True}, "hidden_size is 'True'"),
        ({"hidden_size": -1}, "hidden_size is '-1'"),
        ({"hidden_size": 1 << 50}, "hidden_size is"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_hidden_layers": 0}, "block_count"),
        ({"num_hidden_layers": 100_000}, "block_count"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps is 'small'"),
        ({"rope_scaling": "yes"}, "rope_scaling is no object"),
    ],
)
def test_a_configuration_that_is_wrong(change, says):
    with pytest.raises(InputError, match=says):
        converted({**LLAMA, **change}, shapes(LLAMA))


def test_families_that_are_not_known_in_every_detail():
    moe = {**LLAMA, "architectures": ["Qwen3MoeForCausalLM"], "num_experts": 4, "num_experts_per_tok": 2}
    moe |= {"moe_intermediate_size": 64, "head_dim": 32}
    assert converted(moe)
    assert "blocks without experts" in refused({**moe, "mlp_only_layers": [0]})
    assert "blocks without experts" in refused({**moe, "decoder_sparse_step": 2})

    gemma = {**LLAMA, "architectures": ["Gemma3ForCausalLM"], "sliding_window": 512, "tie_word_embeddings": True}
    assert converted({**gemma, "head_dim": 32})
    assert "sliding_window_pattern is 4" in refused({**gemma, "head_dim": 32, "sliding_window_pattern": 4})

    phi = {**LLAMA, "architectures": ["Phi3ForCausalLM"], "rope_scaling": {"long_factor": [1.0]}}
    assert "original_max_position_embeddings" in refused(phi)


def test_every_family_leads_to_an_architecture_that_is_planned():
    from aidx.model import arch

    assert {family.gguf for family in FAMILIES.values()} <= set(arch.known())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"{" + b" " * LIMIT])
def test_a_file_that_is_no_configuration(data):
    with pytest.raises(InputError, match=r"config\.json"):
        read_config(data)


def index(weight_map, **more):
    return Index(json.dumps({"weight_map": weight_map, **more}).encode())


def test_an_index_says_what_is_where():
    found = index({"a": "m-2.safetensors", "b": "m-1.safetensors"}, metadata={"total_size": 20})

    assert found.files == ("m-1.safetensors", "m-2.safetensors")
    found.check({"a": Weight("F32", (3,)), "b": Weight("BF16", (4,))})


@pytest.mark.parametrize(
    ("metadata", "held", "says"),
    [
        ({"total_size": 21}, {"a": 3, "b": 2}, "says 21 bytes of weights, the files hold 20"),
        ({}, {"a": 3}, "disagree about 'b'"),
        ({}, {"a": 3, "b": 2, "c": 1}, "disagree about 'c'"),
    ],
)
def test_an_index_that_disagrees(metadata, held, says):
    found = index({"a": "m.safetensors", "b": "m.safetensors"}, metadata=metadata)

    with pytest.raises(InputError, match=says):
        found.check({name: Weight("F32", (count,)) for name, count in held.items()})


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"weight_map": []}', b'{"weight_map": {}}', b'{"weight_map": {"a": "../x"}}',
     b'{"weight_map": {"a": "/etc/passwd"}}', b'{"weight_map": {"a": 3}}', b'{"weight_map": {"a": ""}}'],
)  # fmt: skip
def test_an_index_that_is_damaged(data):
    with pytest.raises(InputError):
        Index(data)


def test_an_index_of_too_many_files():
    with pytest.raises(InputError, match="names 513 files"):
        index({str(number): f"{number}.safetensors" for number in range(513)})
