"""Files beside a model: each kind is told apart, and what does not suit the model is one clear line."""

import pytest
from msgspec.structs import replace
from tests.fakes.models import qwen2
from tests.fakes.projectors import gemma3, llava, qwen25vl

from aidx.errors import InputError
from aidx.model import companion
from aidx.model.build import from_header
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import STRING
from aidx.model.part import role_of
from aidx.model.spec import Header
from aidx.model.tensor import TYPES, Tensor

MODEL = qwen2(blocks=2)
ADAPTER = {
    "general.architecture": "qwen2",
    "general.type": "adapter",
    "adapter.type": "lora",
    "adapter.lora.alpha": 16.0,
}


def halves(target, rank=8, inputs=5120, outputs=5120):
    f16 = TYPES["f16"]
    return Tensor(f"{target}.lora_a", (inputs, rank), f16), Tensor(f"{target}.lora_b", (rank, outputs), f16)


def adapter(*tensors, **metadata):
    named = {key.replace("__", "."): value for key, value in metadata.items()}
    return Header({**ADAPTER, **named}, tuple(tensors), size=0)


def read(header):
    return companion.lora(header, name="a.gguf", path="a.gguf")


def test_each_kind_is_told_apart():
    assert role_of(MODEL.header) == "model"
    assert role_of(adapter()) == "lora"
    assert role_of(gemma3().header) == "projector"


def test_a_companion_given_as_the_model_says_where_it_belongs():
    with pytest.raises(InputError, match="is a LoRA adapter, not a model") as error:
        from_header(adapter(), name="a.gguf", source="file", file_bytes=0)
    assert "--lora" in error.value.hint
    with pytest.raises(InputError, match="is a projector, not a model") as error:
        from_header(gemma3().header, name="p.gguf", source="file", file_bytes=0)
    assert "--mmproj" in error.value.hint


def test_an_adapter_has_pairs_and_norms_are_passed_over():
    norm = Tensor("blk.0.attn_norm.weight", (5120,), TYPES["f32"])
    found = read(adapter(*halves("blk.0.attn_q.weight"), norm))
    assert [pair.target for pair in found.pairs] == ["blk.0.attn_q.weight"]
    companion.check_lora(found, MODEL)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (MODEL.header, "--lora a.gguf is a model, not an adapter"),
        (gemma3().header, "--lora a.gguf is a projector, not an adapter"),
        (adapter(adapter__type="control_vector"), "of type 'control_vector'"),
        (adapter(halves("blk.0.attn_q.weight")[0]), "blk.0.attn_q.weight has one half only"),
        (adapter(Tensor("blk.0.attn_q.weight", (1, 1), TYPES["f16"])), "is no half of a pair"),
    ],
)
def test_what_is_no_adapter_is_refused(header, says):
    with pytest.raises(InputError, match=says) as error:
        read(header)
    assert error.value.hint


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (adapter(general__architecture="llama"), "is for architecture llama, qwen2 is qwen2"),
        (adapter(*halves("blk.9.attn_q.weight")), "changes blk.9.attn_q.weight, which qwen2 has not"),
        (adapter(*halves("blk.0.attn_q.weight", inputs=4096)), "blk.0.attn_q.weight is 5120x5120 in qwen2"),
        (adapter(*halves("blk.0.attn_k.weight")), "blk.0.attn_k.weight is 5120x1024 in qwen2"),
        (adapter(*halves("blk.0.attn_norm.weight")), "blk.0.attn_norm.weight is 5120 in qwen2"),
    ],
)
def test_an_adapter_for_another_model_is_refused(header, says):
    with pytest.raises(InputError, match=says) as error:
        companion.check_lora(read(header), MODEL)
    assert error.value.hint


def test_the_halves_of_token_embeddings_are_turned_round():
    f16 = TYPES["f16"]
    vocabulary = MODEL.vocab_size
    first = Tensor("token_embd.weight.lora_a", (8, vocabulary), f16)
    second = Tensor("token_embd.weight.lora_b", (8, 5120), f16)
    companion.check_lora(read(adapter(first, second)), MODEL)


@pytest.mark.parametrize("made", [gemma3, llava, qwen25vl])
def test_a_projector_must_lead_to_the_model_s_width(made):
    companion.check_projector(made(5120), MODEL)
    with pytest.raises(InputError, match=r"leads to embeddings of .*2048, and qwen2 has 5120") as error:
        companion.check_projector(made(2048), MODEL)
    assert error.value.hint


def test_a_model_is_no_projector():
    with pytest.raises(InputError, match="--mmproj m is a model, not a projector"):
        companion.projector(MODEL.header, name="m", path="m")


def vocabulary(*words, kind="gpt2"):
    tokens = encode(STRING, [*(f"special{n}" for n in range(5)), *words])
    return {"tokenizer.ggml.model": kind, "tokenizer.ggml.tokens": tokens}


def test_a_draft_model_must_have_the_model_s_vocabulary():
    draft = replace(MODEL, name="small")
    companion.check_draft(draft, MODEL, tokens=(vocabulary("a", "b"), vocabulary("a", "b", "c")))
    companion.check_draft(draft, MODEL, tokens=({}, vocabulary("a")))
    refused = {
        "has tokenizer spm, qwen2 has gpt2": (draft, (vocabulary("a", kind="spm"), vocabulary("a"))),
        "token 6 is 'x', not 'b'": (draft, (vocabulary("a", "x"), vocabulary("a", "b"))),
        "has 152,193 tokens": (replace(draft, vocab_size=MODEL.vocab_size + 129), ({}, {})),
    }
    for says, (model, tokens) in refused.items():
        with pytest.raises(InputError, match=says) as error:
            companion.check_draft(model, MODEL, tokens=tokens)
        assert error.value.hint
