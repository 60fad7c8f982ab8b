"""Typed reads: what they return and what they say."""

import pytest

from aidx.errors import InputError
from aidx.model import metadata as keys
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import BOOL, F32, I32
from aidx.model.spec import Array


def made(**own):
    return {"general.architecture": "llama", **{f"llama.{key}": value for key, value in own.items()}}


def test_an_integer_is_read_below_the_architecture():
    assert keys.read_int(made(block_count=7), "block_count") == 7


def test_a_missing_key_is_named_with_what_was_wanted():
    with pytest.raises(InputError, match=r"the metadata lack llama\.block_count \(an integer\)"):
        keys.read_int(made(), "block_count")


def test_a_missing_optional_key_is_none():
    assert keys.find_int(made(), "expert_count") is None
    assert keys.find_ints(made(), "attention.head_count", 4) is None
    assert keys.find_text({}, "general.name") is None


@pytest.mark.parametrize("value", ["8", 1.5, -1, 2**40, Array(I32, 1, b"\1\0\0\0")])
def test_a_value_of_another_kind_is_named(value):
    with pytest.raises(InputError, match=r"llama\.block_count is .*, not an integer of 0 or more"):
        keys.read_int(made(block_count=value), "block_count")


def test_a_bool_counts_as_one():
    assert keys.find_int(made(expert_weights_norm=True), "expert_weights_norm") == 1


def test_one_number_stands_for_all_blocks():
    assert keys.read_ints(made(head=8), "head", 3) == (8, 8, 8)


@pytest.mark.parametrize("kind", [BOOL, I32])
def test_an_array_gives_each_block_its_own_and_may_be_longer(kind):
    assert keys.read_ints(made(head=encode(kind, [1, 0, 1, 1])), "head", 3) == (1, 0, 1)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (encode(I32, [1, 2]), "an array of 2, not an integer or an array of 3"),
        (encode(I32, [1, -2, 3]), "is -2, not an integer of 0 or more"),
        (encode(F32, [1.0, 2.0, 3.0]), "integers is wanted"),
        (Array(I32, 3, None), "skipped"),
    ],
)
def test_an_array_that_does_not_fit_is_named(array, complaint):
    with pytest.raises(InputError, match=r"llama\.head.*" + complaint):
        keys.read_ints(made(head=array), "head", 3)


def test_a_required_array_that_is_missing_is_named():
    with pytest.raises(InputError, match=r"lack llama\.head \(an integer or an array of 3\)"):
        keys.read_ints(made(), "head", 3)


@pytest.mark.parametrize("count", [0, keys.MAX_LAYERS + 1])
def test_blocks_are_bounded(count):
    with pytest.raises(InputError, match=rf"llama\.block_count is {count}, outside 1 to 512"):
        keys.block_count(made(block_count=count))


def test_ahead_predicting_blocks_are_no_part_of_the_trunk():
    assert keys.trunk_count(made(block_count=47, nextn_predict_layers=1)) == 46


def test_some_block_must_remain_in_the_trunk():
    with pytest.raises(InputError, match="leaves none of 2 blocks"):
        keys.trunk_count(made(block_count=2, nextn_predict_layers=2))


def test_the_tokenizer_counts_the_vocabulary_before_the_key_does():
    tokens = {"tokenizer.ggml.tokens": Array(8, 32000, None)}

    assert keys.vocab_size(made(vocab_size=32064) | tokens) == 32000
    assert keys.vocab_size(made(vocab_size=32064)) == 32064


def test_text_is_text():
    assert keys.find_text({"general.name": "x"}, "general.name") == "x"
    with pytest.raises(InputError, match=r"general\.architecture is 7, not a string"):
        keys.architecture({"general.architecture": 7})
    with pytest.raises(InputError, match=r"the metadata lack general\.architecture"):
        keys.architecture({})
