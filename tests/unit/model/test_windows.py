"""Which blocks slide: by the family's period, or as the file says."""

import pytest

from aidx.errors import InputError
from aidx.model.arch import _attention, _delta, gemma3, gemma4
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import BOOL
from aidx.model.spec import Layer

BASE = {
    "general.architecture": "gemma3",
    "gemma3.block_count": 7,
    "gemma3.embedding_length": 512,
    "gemma3.attention.head_count": 4,
    "gemma3.attention.head_count_kv": 2,
    "gemma3.attention.sliding_window": 1024,
}


def windows(**changed):
    layers = gemma3.layers(BASE | {f"gemma3.attention.{key}": value for key, value in changed.items()})
    return [layer.window for layer in layers]


def test_the_family_has_a_period():
    assert windows() == [1024] * 5 + [None, 1024]


@pytest.mark.parametrize(("pattern", "expected"), [(2, [1024, None] * 3 + [1024]), (1, [None] * 7), (0, [1024] * 7)])
def test_a_file_may_give_another_period(pattern, expected):
    assert windows(sliding_window_pattern=pattern) == expected


def test_a_file_may_list_its_blocks():
    assert windows(sliding_window_pattern=encode(BOOL, [1, 0, 0, 0, 0, 0, 1])) == [1024, *[None] * 5, 1024]


@pytest.mark.parametrize("window", [0, None])
def test_without_a_window_nothing_slides(window):
    metadata = {**BASE, "gemma3.attention.sliding_window": window}
    if window is None:
        del metadata["gemma3.attention.sliding_window"]

    assert {layer.window for layer in gemma3.layers(metadata)} == {None}


def test_heads_are_the_embedding_divided_unless_lengths_are_given():
    assert gemma3.layers(BASE)[0] == Layer(2, 128, 128, 1024)
    assert gemma3.layers(BASE | {"gemma3.attention.key_length": 256})[0] == Layer(2, 256, 128, 1024)


def test_no_heads_to_divide_by_is_an_input_error():
    with pytest.raises(InputError, match=r"lack gemma3\.attention\.key_length"):
        _attention.layers({**BASE, "gemma3.attention.head_count": 0})


def test_more_shared_blocks_than_blocks_are_an_input_error():
    metadata = {key.replace("gemma3", "gemma4"): value for key, value in BASE.items()} | {
        "general.architecture": "gemma4",
        "gemma4.attention.key_length_swa": 64,
        "gemma4.attention.value_length_swa": 64,
        "gemma4.attention.sliding_window_pattern": 1,
        "gemma4.attention.shared_kv_layers": 8,
    }

    with pytest.raises(InputError, match="shared_kv_layers is 8 of 7 blocks"):
        gemma4.layers(metadata)


DELTA = {
    "general.architecture": "qwen35",
    "qwen35.block_count": 5,
    "qwen35.embedding_length": 512,
    "qwen35.attention.head_count": 4,
    "qwen35.attention.head_count_kv": 2,
    "qwen35.ssm.state_size": 16,
    "qwen35.ssm.inner_size": 64,
    "qwen35.ssm.group_count": 2,
    "qwen35.ssm.time_step_rank": 4,
    "qwen35.ssm.conv_kernel": 4,
}


def attention_blocks(**changed):
    layers = _delta.layers(DELTA | {f"qwen35.{key}": value for key, value in changed.items()})
    return [il for il, layer in enumerate(layers) if layer.kv_heads]


def test_every_fourth_block_attends_unless_the_file_says_otherwise():
    assert attention_blocks() == [3]
    assert attention_blocks(full_attention_interval=2) == [1, 3]
    assert attention_blocks(**{"attention.recurrent_layers": encode(BOOL, [0, 1, 1, 1, 0])}) == [0, 4]


def test_a_recurrent_block_keeps_two_states():
    # llama-hparams.cpp: (d_conv - 1) x (d_inner + 2 x n_group x d_state) and d_state x d_inner
    assert _delta.layers(DELTA)[0] == Layer(conv_state=3 * (64 + 2 * 2 * 16), recurrent_state=16 * 64)


def test_an_interval_of_zero_is_an_input_error():
    with pytest.raises(InputError, match=r"qwen35\.full_attention_interval is 0"):
        attention_blocks(full_attention_interval=0)


def test_a_block_that_predicts_ahead_attends_and_is_no_layer():
    metadata = {
        **DELTA,
        "qwen35.nextn_predict_layers": 1,
        "qwen35.feed_forward_length": 1024,
        "qwen35.vocab_size": 1000,
    }
    names = {blank.name for blank in _delta.tensors(metadata, _delta.separate_gates)}

    assert len(_delta.layers(metadata)) == 4
    assert {"blk.4.attn_q.weight", "blk.4.nextn.eh_proj.weight"} <= names
    assert "blk.4.ssm_out.weight" not in names
