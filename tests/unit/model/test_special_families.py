"""What some attention families do of their own, from published hyper-parameters changed by hand.

The bytes of the published ones are held in ``tests/contract/test_arch.py``; the rules are llama.cpp's ``src/models``.
"""

import pytest
from tests.fakes.published import published

from aidx.errors import InputError
from aidx.model import arch
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import BOOL, I32


def changed(name, drop=(), **keys):
    """Metadata of the golden model *name*; ``__`` stands for a dot."""
    metadata = dict(published(name).header.metadata)
    of = metadata["general.architecture"]
    for key in drop:
        del metadata[f"{of}.{key}"]
    return metadata | {f"{of}.{key.replace('__', '.')}": value for key, value in keys.items()}


def layers(metadata):
    return arch.find(metadata["general.architecture"]).layers(metadata)


def names(metadata):
    return {blank.name for blank in arch.find(metadata["general.architecture"]).tensors(metadata)}


def windows(metadata):
    return [layer.window for layer in layers(metadata)]


@pytest.mark.parametrize(("window", "kept"), [(8192, 8192), (1024, 8192), (None, 8192)])
def test_llama_4_keeps_chunks_of_8192_tokens_whatever_the_file_says(window, kept):
    metadata = changed("llama-4-scout", **({} if window is None else {"attention__sliding_window": window}))

    assert windows(metadata)[:4] == [kept, kept, kept, None]


def test_llama_4_with_a_window_of_0_is_global():
    assert set(windows(changed("llama-4-scout", attention__sliding_window=0))) == {None}


def test_llama_4_without_experts_is_an_input_error():
    with pytest.raises(InputError, match=r"llama4\.expert_count is 0"):
        names(changed("llama-4-scout", expert_count=0))


def test_grovemoe_with_groups_of_no_expert_is_an_input_error():
    with pytest.raises(InputError, match=r"grovemoe\.experts_per_group is 0"):
        names(changed("grovemoe", experts_per_group=0))


@pytest.mark.parametrize(("blocks", "normed"), [(63, False), (64, True)])
def test_command_r_has_norms_of_heads_from_64_blocks_on(blocks, normed):
    assert ("blk.0.attn_q_norm.weight" in names(changed("command-r-v01", block_count=blocks))) == normed


@pytest.mark.parametrize(("blocks", "expected"), [(64, [4096, 4096, 4096, None]), (32, [None] * 4)])
def test_exaone_4_slides_in_models_of_64_blocks_alone(blocks, expected):
    metadata = changed("exaone-4.0-32b", block_count=blocks, attention__sliding_window=4096)

    assert windows(metadata)[:4] == expected


def test_a_family_that_always_has_windows_wants_to_know_how_long_they_are():
    with pytest.raises(InputError, match=r"cohere2\.attention\.sliding_window"):
        layers(changed("command-r7b", drop=("attention.sliding_window",)))


def test_a_window_of_0_tokens_is_one_where_windows_are_not_optional():
    assert windows(changed("command-r7b", attention__sliding_window=0))[:4] == [0, 0, 0, None]


def test_gemma_2_slides_by_4096_tokens_where_the_file_says_nothing():
    assert windows(changed("gemma-2-9b", drop=("attention.sliding_window",)))[:2] == [4096, None]


def test_listed_windows_need_the_list():
    with pytest.raises(InputError, match=r"mimo2\.attention\.sliding_window_pattern"):
        layers(changed("mimo-v2-flash", drop=("attention.sliding_window_pattern",)))


def test_sliding_blocks_have_heads_of_their_own_length_where_the_file_gives_it():
    metadata = changed("command-r7b", attention__key_length_swa=64, attention__value_length_swa=32)

    assert [(layer.key_dim, layer.value_dim) for layer in layers(metadata)[2:4]] == [(64, 32), (128, 128)]


def test_a_file_of_glm_5_may_name_the_blocks_that_have_an_indexer():
    blocks = len(layers(changed("glm-5")))
    metadata = changed("glm-5", attention__indexer__types=encode(I32, [1] + [0] * (blocks - 1)))

    assert [layer.index_key for layer in layers(metadata)] == [128] + [0] * (blocks - 1)
    assert "blk.0.indexer.proj.weight" in names(metadata)
    assert "blk.1.indexer.proj.weight" not in names(metadata)


def test_a_glm_5_for_a_million_tokens_has_an_indexer_in_every_fourth_block():
    kept = [bool(layer.index_key) for layer in layers(changed("glm-5", context_length=1 << 20))]

    assert kept[:11] == [True, True, True, False, False, False, True, False, False, False, True]


def test_patterns_may_be_truth_values():
    count = len(layers(changed("mimo-v2-flash")))
    metadata = changed("mimo-v2-flash", attention__sliding_window_pattern=encode(BOOL, [0, 1] * (count // 2)))

    assert windows(metadata)[:3] == [None, 128, None]
