"""llama-quantize's rules, one by one; whole files are in ``tests/golden``."""

import pytest
from tests.fakes.published import published

from aidx.errors import InputError
from aidx.model.blank import Blank
from aidx.model.quants import FILE_TYPES, find, parse_name
from aidx.model.quants.assign import assign
from aidx.model.quants.rules import more_bits
from aidx.model.tensor import TYPES

BLOCKS = 16
ALL = range(BLOCKS)
HALF = {0, 1, 4, 7, 10, 13, 14, 15}  # the first and last eighth and every third between


def metadata(**changed):
    own = {"block_count": BLOCKS, "attention.head_count": 8, "attention.head_count_kv": 4} | changed
    return {"general.architecture": "llama", **{f"llama.{key}": value for key, value in own.items()}}


def blanks(*parts, tied=False, row=512, name="weight", blocks=ALL):
    ends = [Blank("token_embd.weight", (row, 1024)), Blank("output_norm.weight", (row,), "f32")]
    ends += [] if tied else [Blank("output.weight", (row, 1024))]
    return [*ends, *(Blank(f"blk.{il}.{part}.{name}", (row, 512)) for il in blocks for part in parts)]


def types(parts, quant, *, imatrix=False, legacy=False, tied=False, row=512, **changed):
    made = assign(blanks(*parts, tied=tied, row=row), quant, metadata(**changed), imatrix=imatrix, legacy=legacy)
    return {tensor.name: tensor.type.name for tensor in made}


def chosen(part, quant, **changed):
    """Type -> the blocks that have it."""
    found = {}
    for name, kind in types([part], quant, **changed).items():
        if name.startswith("blk."):
            found.setdefault(kind, set()).add(int(name.split(".")[1]))
    return found


GROUPED = {"attention.head_count_kv": 2}


@pytest.mark.parametrize(
    ("part", "quant", "changed", "expected"),
    [
        ("attn_v", "Q4_K_M", {}, {"q6_K": HALF, "q4_K": set(ALL) - HALF}),
        ("ffn_down", "Q5_K_M", {}, {"q6_K": HALF, "q5_K": set(ALL) - HALF}),
        ("attn_v", "Q4_K_S", {}, {"q5_K": {0, 1, 2, 3}, "q4_K": set(range(4, 16))}),
        ("ffn_down", "Q4_K_S", {}, {"q5_K": {0, 1}, "q4_K": set(range(2, 16))}),
        ("attn_v", "Q3_K_M", {}, {"q5_K": {0, 1}, "q4_K": set(range(2, 16))}),
        ("ffn_down", "Q3_K_M", {}, {"q5_K": {0}, "q4_K": set(range(1, 16))}),
        ("attn_output", "Q3_K_M", {}, {"q4_K": set(ALL)}),
        ("ffn_up", "Q3_K_M", {}, {"q3_K": set(ALL)}),
        ("attn_v", "Q2_K", {}, {"q3_K": set(ALL)}),
        ("attn_v", "Q2_K", GROUPED, {"q4_K": set(ALL)}),
        ("attn_v", "IQ4_XS", GROUPED, {"q5_K": set(ALL)}),
        ("attn_v", "IQ3_XXS", {}, {"iq3_s": set(ALL)}),
        ("attn_v", "IQ3_XXS", GROUPED, {"q4_K": set(ALL)}),
        ("attn_v", "IQ3_XXS", {"imatrix": True}, {"iq3_xxs": set(ALL)}),
        ("attn_k", "IQ3_XXS", {}, {"iq2_s": set(ALL)}),
        ("ffn_gate", "IQ3_XS", {}, {"iq3_xxs": set(range(2, 14)), "iq3_s": {0, 1, 14, 15}}),
        ("ffn_down", "IQ3_M", {}, {"q4_K": {0, 1}, "iq3_s": set(range(2, 16))}),
        ("ffn_down", "IQ4_XS", {}, {"q5_K": {0, 1}, "iq4_xs": set(range(2, 16))}),
        ("ffn_down", "IQ4_XS", {"imatrix": True}, {"iq4_xs": set(ALL)}),
        ("ffn_down", "Q4_0", {}, {"q4_0": set(ALL)}),
        ("ffn_down", "Q4_0", {"imatrix": True}, {"q4_1": {0, 1}, "q4_0": set(range(2, 16))}),
        ("attn_v", "IQ2_XXS", {}, {"q2_K": set(ALL)}),
        ("attn_v", "IQ2_M", {}, {"iq3_s": set(ALL)}),
        ("attn_v", "IQ1_S", GROUPED, {"q4_K": set(ALL)}),
        ("ffn_down", "IQ2_M", {}, {"iq3_s": {0, 1}, "iq2_s": set(range(2, 16))}),
        ("attn_output", "IQ1_M", {}, {"iq2_xxs": set(ALL)}),
        ("attn_output", "IQ2_S", {}, {"iq3_s": set(ALL)}),
        ("attn_output", "IQ2_XS", {}, {"iq2_xs": set(ALL)}),
        ("attn_qkv", "Q4_K_M", {}, {"q6_K": HALF, "q4_K": set(ALL) - HALF}),
        ("attn_qkv", "Q4_K_M", {"legacy": True}, {"q5_K": set(ALL)}),
        ("attn_kv_b", "Q4_K_M", {"legacy": True}, {"q4_K": set(ALL)}),
        ("attn_q", "Q4_K_M", {"legacy": True}, {"q4_K": set(ALL)}),
        ("attn_v", "Q4_K_M", {"expert_count": 8}, {"q8_0": set(ALL)}),
        ("attn_k", "Q4_K_M", {"expert_count": 8}, {"q8_0": set(ALL)}),
        ("attn_k", "IQ2_XS", {"expert_count": 8}, {"q4_K": set(ALL)}),
        ("attn_output", "Q4_K_M", {"expert_count": 8}, {"q5_K": set(ALL)}),
        ("attn_output", "Q5_K_M", {"expert_count": 8}, {"q5_K": set(ALL)}),
        ("attn_output", "IQ1_S", {"expert_count": 8}, {"q5_K": set(ALL)}),
        ("ffn_down", "IQ3_M", {"expert_count": 8}, {"q4_K": HALF, "iq3_s": set(ALL) - HALF}),
        ("ffn_norm_like", "Q8_0", {}, {"q8_0": set(ALL)}),
    ],
)
def test_a_place_has_its_types(part, quant, changed, expected):
    assert chosen(part, quant, **changed) == expected


def test_half_of_the_layers_get_more_bits():
    assert {il for il in ALL if more_bits(il, BLOCKS)} == HALF


@pytest.mark.parametrize(
    ("quant", "tied", "output", "embedding"),
    [
        ("Q4_K_M", False, "q6_K", "q4_K"),
        ("Q4_K_M", True, None, "q6_K"),
        ("Q8_0", False, "q8_0", "q8_0"),
        ("IQ2_XS", False, "q5_K", "q2_K"),
        ("IQ2_M", False, "q5_K", "iq3_s"),
        ("IQ3_XXS", True, None, "q5_K"),
        ("TQ1_0", False, "q6_K", "q4_K"),
        ("MXFP4_MOE", False, "q8_0", "q8_0"),
        ("F16", False, "f16", "f16"),
        ("F32", False, "f32", "f32"),
        ("BF16", True, None, "bf16"),
    ],
)
def test_the_ends_have_types_of_their_own(quant, tied, output, embedding):
    made = types([], quant, tied=tied)

    assert (made.get("output.weight"), made["token_embd.weight"]) == (output, embedding)
    assert made["output_norm.weight"] == "f32"


def test_a_row_that_cuts_blocks_falls_back():
    # 896 = 3.5 x 256: Qwen2.5-0.5B's width
    assert types(["ffn_up"], "Q4_K_M", row=896)["blk.0.ffn_up.weight"] == "q5_0"
    assert types(["ffn_up"], "Q6_K", row=896)["blk.0.ffn_up.weight"] == "q8_0"
    assert types([], "Q4_K_M", row=896)["output.weight"] == "q8_0"
    [odd] = assign([Blank("blk.0.ffn_up.weight", (40, 8))], "Q4_K_M", metadata())
    assert odd.type.name == "f16"


def test_a_shape_that_llama_quantize_refuses_is_an_input_error():
    with pytest.raises(InputError, match=r"blk.0.ffn_up.weight has rows of 40, which q4_0 cannot hold in blocks of 32"):
        assign([Blank("blk.0.ffn_up.weight", (40, 8))], "Q4_0", metadata())


def test_seventy_billion_class_refines_small_values():
    large = {"block_count": 80, "attention.head_count_kv": 1}

    assert chosen("attn_v", "Q4_K_M", **large).keys() == {"q6_K", "q5_K"}


def test_what_is_spared_keeps_its_type():
    spared = [
        Blank("blk.0.attn_norm.weight", (512, 2), "f32"),
        Blank("blk.0.ffn_gate_inp.weight", (512, 8), "f32"),
        Blank("blk.0.ssm_conv1d.weight", (4, 512), "f32"),
        Blank("blk.0.attn_q.bias", (512,), "f32"),
        Blank("blk.0.ssm_a", (512, 2), "f32"),
        Blank("per_layer_model_proj.weight", (512, 64)),
        Blank("blk.0.attn_k.weight", (512, 1, 1)),
        Blank("blk.0.ffn_up_exps.weight", (512, 64, 4), "mxfp4"),
    ]

    kinds = {tensor.name: tensor.type.name for tensor in assign(spared, "Q4_K_M", metadata())}

    assert set(kinds.values()) == {"f32", "f16", "mxfp4"}
    assert [name for name, kind in kinds.items() if kind == "f16"] == [
        "per_layer_model_proj.weight",
        "blk.0.attn_k.weight",
    ]


def test_stacked_experts_alone_become_mxfp4():
    mixed = [Blank("blk.0.ffn_up_exps.weight", (512, 64, 4)), Blank("blk.0.attn_q.weight", (512, 64))]

    kinds = {tensor.name: tensor.type.name for tensor in assign(mixed, "MXFP4_MOE", metadata(expert_count=4))}

    assert kinds == {"blk.0.ffn_up_exps.weight": "mxfp4", "blk.0.attn_q.weight": "q8_0"}


def test_with_experts_the_layer_is_the_number_in_the_name():
    both = [Blank(f"blk.{il}.ffn_down{kind}.weight", (512, 512, 2)) for il in ALL for kind in ("_exps", "_shexp")]

    kinds = assign(both, "Q4_K_M", metadata(expert_count=4))

    assert {tensor.layer for tensor in kinds if tensor.type.name == "q6_K"} == HALF


def test_tensors_stand_in_the_order_of_blocks_and_names_without_gaps():
    made = assign(blanks("ffn_up", "attn_q", blocks=(10, 2)), "Q8_0", metadata())

    assert [tensor.name for tensor in made] == [
        "output.weight",
        "output_norm.weight",
        "token_embd.weight",
        "blk.2.attn_q.weight",
        "blk.2.ffn_up.weight",
        "blk.10.attn_q.weight",
        "blk.10.ffn_up.weight",
    ]
    ends = [tensor.offset + -(-tensor.bytes // 32) * 32 for tensor in made]
    assert [tensor.offset for tensor in made] == [0, *ends[:-1]]


def test_every_file_type_has_a_known_default_and_a_number_of_its_own():
    assert {of.default for of in FILE_TYPES.values()} <= set(TYPES)
    assert len({of.number for of in FILE_TYPES.values()}) == len(FILE_TYPES)
    assert all(parse_name(of.number) == name for name, of in FILE_TYPES.items())


@pytest.mark.parametrize(
    ("number", "name"), [(15, "Q4_K_M"), (15 | 1024, "Q4_K_M"), (0, "F32"), (4, None), (999, None)]
)
def test_a_number_has_a_name(number, name):
    assert parse_name(number) == name


@pytest.mark.parametrize(
    ("said", "name"), [("q4_k_m", "Q4_K_M"), ("fp16", "F16"), ("Q5_K", "Q5_K_M"), ("mxfp4", "MXFP4_MOE")]
)
def test_names_are_found_in_any_spelling(said, name):
    assert find(said).name == name


def test_an_unknown_name_lists_the_close_ones():
    with pytest.raises(InputError, match=r"unknown quantization 'Q4_K_X' \(close: .*Q4_K_M"):
        find("Q4_K_X")
    with pytest.raises(InputError, match=r"\(known: F32, F16"):
        find("§§")


@pytest.mark.parametrize(
    ("quant", "expected"),
    [
        ("Q2_K", ("q8_0", "q4_0", "q4_0", "q2_K", "q4_0", "q4_0", "q4_0", "q4_0", "q3_K", "q4_0")),
        ("Q3_K_S", ("q8_0", "q4_0", "q4_0", "q3_K", "q4_0", "q4_0", "q4_0", "q4_0", "q3_K", "q4_0")),
        ("Q3_K_M", ("q8_0", "q4_0", "q4_0", "q3_K", "q5_1", "q5_0", "q4_0", "q5_1", "q4_K", "q5_0")),
        ("Q3_K_L", ("q8_0", "q4_0", "q4_0", "q3_K", "q5_1", "q5_1", "q4_0", "q5_1", "q5_K", "q5_1")),
    ],
)
def test_a_hybrid_is_quantized_as_llama_cpp_s_own_snapshot_says(quant, expected):
    """tests/snapshots/nemotron-nano-3-30b-a3b.schema of llama.cpp (a45da44f0c2b)."""
    names = (
        *("output.weight", "token_embd.weight", "blk.0.ssm_in.weight", "blk.0.ssm_out.weight"),
        *("blk.1.ffn_down_exps.weight", "blk.3.ffn_down_shexp.weight", "blk.3.ffn_up_exps.weight"),
        *("blk.12.attn_v.weight", "blk.5.attn_output.weight", "blk.19.attn_v.weight"),
    )
    found = {tensor.name: tensor.type.name for tensor in published("nemotron-3-nano-30b-a3b", quant).tensors}

    assert tuple(found[name] for name in names) == expected


def test_some_names_are_spared_in_files_of_one_architecture_only():
    spared = {tensor.name: tensor.type.name for tensor in published("glm-5.3-flash").tensors}
    usual = {tensor.name: tensor.type.name for tensor in published("kimi-linear-48b-a3b").tensors}

    assert spared["blk.0.ssm_f_a.weight"] == spared["blk.3.attn_k_b.weight"] == "f16"
    assert spared["blk.3.indexer.attn_k.weight"] == "f16"
    assert spared["blk.0.attn_output.weight"] == "q4_K"
    assert "f16" not in {usual["blk.0.ssm_f_a.weight"], usual["blk.3.attn_k_b.weight"]}


def test_what_bert_adds_to_every_token_is_spared():
    """As llama_model_quantize of llama.cpp does (npm @node-llama-cpp/linux-x64 3.22.1, a MiniLM to Q8_0)."""
    names = ("token_embd.weight", "position_embd.weight", "token_types.weight")
    made = assign(
        [Blank(name, (384, 2), "f32") for name in names],
        "Q8_0",
        {"general.architecture": "bert", "bert.block_count": 6},
    )

    assert {tensor.name: tensor.type.name for tensor in made} == dict(zip(names, ("q8_0", "f32", "f32"), strict=True))
