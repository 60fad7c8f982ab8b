"""Bytes of the attention cache; figures are llama.cpp's own, as its log or ``no_alloc`` gave them."""

import pytest
from msgspec.structs import replace

from aidx.budget import kv
from aidx.budget.buffers import CUDA, HOST
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import Layer
from aidx.model.tensor import TYPES

MIB = 1 << 20
GQA = Layer(kv_heads=8, key_dim=128, value_dim=128)  # Qwen2.5-Coder-14B, Llama 3.1 8B
MLA = Layer(kv_heads=1, key_dim=576)  # DeepSeek-V2-Lite
GLOBAL = Layer(kv_heads=8, key_dim=256, value_dim=256)  # Gemma 3 12B
SLIDING = replace(GLOBAL, window=1024)
GEMMA_3_12B = tuple(GLOBAL if number % 6 == 5 else SLIDING for number in range(48))


def total(layers, settings, device="host"):
    widest = kv.value_width(layers, settings)
    return sum(kv.layer_bytes(layer, settings, device=device, widest=widest) for layer in layers)


def test_qwen_coder_14b_keeps_1536_mib_for_8192_tokens():
    """llama_kv_cache: size = 1536.00 MiB ( 8192 cells, 48 layers)."""
    assert total([GQA] * 48, Settings(ctx_size=8192)) == 1536 * MIB


@pytest.mark.parametrize(("kind", "mebibytes"), [("q8_0", 816), ("q4_0", 432), ("f32", 3072)])
def test_cache_types_of_qwen_coder_14b_take_what_the_engine_says(kind, mebibytes):
    settings = Settings(ctx_size=8192, cache_type_k=kind, cache_type_v=kind)

    assert total([GQA] * 48, settings) == mebibytes * MIB


def test_deepseek_v2_lite_keeps_972_mib_of_latents_for_32768_tokens():
    """31,104 bytes a token: K only, V is a view of it."""
    assert total([MLA] * 27, Settings(ctx_size=32768)) == 972 * MIB


@pytest.mark.parametrize(
    ("parallel", "unified", "full", "mebibytes"),
    [(1, True, False, 2528), (4, True, False, 3488), (4, False, False, 3968), (1, True, True, 12288)],
)
def test_sliding_windows_of_gemma_3_12b_at_32768_tokens(parallel, unified, full, mebibytes):
    """Asked of llama.cpp for 32,768 tokens: one slot, four unified, four apart, and --swa-full."""
    settings = Settings(ctx_size=32768, parallel=parallel, kv_unified=unified, swa_full=full)

    assert total(GEMMA_3_12B, settings) == mebibytes * MIB


def test_without_flash_attention_v_is_as_wide_as_the_widest_layer():
    layers = (replace(GQA, kv_heads=2), GQA)
    settings = Settings(ctx_size=256)
    without = replace(settings, flash_attn=False)

    assert kv.value_width(layers, settings) is None
    assert kv.value_width(layers, without) == 8 * 128
    assert total(layers, without) - total(layers, settings) == 256 * 6 * 128 * 2


def test_quantized_rows_get_one_more_partial_row_on_a_gpu():
    """ggml-cuda.cu: 576 elements a row are filled up to 1,024 once a tensor; q8_0 has 34 bytes for 32."""
    settings = Settings(ctx_size=256, cache_type_k="q8_0", cache_type_v="q8_0")

    assert kv.layer_bytes(MLA, settings, device="gpu0", widest=None) == 256 * 612 + 448 // 32 * 34 + 36
    assert kv.layer_bytes(MLA, settings, device="host", widest=None) == 256 * 612
    assert CUDA.allocated(TYPES["f16"], 100, 1) == 256
    assert HOST.allocated(TYPES["f16"], 100, 1) == 224


def test_a_layer_without_heads_keeps_nothing():
    assert kv.layer_bytes(Layer(conv_state=4), Settings(ctx_size=256), device="host", widest=None) == 0
    assert kv.token_bytes(Layer(), Settings(ctx_size=256)) == 0
    assert kv.value_width((), Settings(ctx_size=256, flash_attn=False)) == 0


def test_an_unknown_cache_type_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"unknown cache type 'q3_K' for --cache-type-k \(known: f32, f16, bf16, q8_0"):
        kv.check_cache((GQA,), Settings(ctx_size=256, cache_type_k="q3_K"))


def test_quantized_v_without_flash_attention_is_refused():
    settings = Settings(ctx_size=256, cache_type_v="q8_0", flash_attn=False)

    with pytest.raises(InputError, match="needs flash attention") as refused:
        kv.check_cache((GQA,), settings)

    assert refused.value.hint == "Use --flash-attn on, or --cache-type-v f16."


def test_heads_that_cut_a_block_are_refused():
    odd = replace(GQA, key_dim=80)

    with pytest.raises(InputError, match="blocks of 32 elements, and a head of layer 1 has 80"):
        kv.check_cache((GQA, odd), Settings(ctx_size=256, cache_type_k="q8_0"))


def test_two_types_are_refused_where_v_is_a_view_of_k():
    settings = Settings(ctx_size=256, cache_type_k="q8_0")

    with pytest.raises(InputError, match="V is a view of K"):
        kv.check_cache((MLA,), settings)
    kv.check_cache((MLA,), replace(settings, cache_type_v="q8_0"))
    kv.check_cache((GQA,), settings)


def test_without_flash_attention_only_whole_rows_have_to_divide():
    """K of phi-2: 32 heads of 80."""
    odd = replace(GQA, kv_heads=32, key_dim=80, value_dim=80)
    settings = Settings(ctx_size=256, cache_type_k="q8_0")

    with pytest.raises(InputError, match="blocks of 32 elements"):
        kv.check_cache((odd,), settings)
    kv.check_cache((odd,), replace(settings, flash_attn=False))


def test_an_indexer_keeps_a_k_of_its_own_and_in_minimax_m3_a_v():
    settings = Settings(ctx_size=256)
    plain = kv.layer_bytes(MLA, settings, device="host", widest=None)

    assert kv.layer_bytes(replace(MLA, index_key=128), settings, device="host", widest=None) - plain == 256 * 128 * 2
    both = replace(MLA, index_key=128, index_value=64)
    assert kv.layer_bytes(both, settings, device="host", widest=None) - plain == 256 * (128 + 64) * 2
    assert kv.token_bytes(both, settings) - kv.token_bytes(MLA, settings) == (128 + 64) * 2


@pytest.mark.parametrize("index", [{"index_key": 80}, {"index_key": 64, "index_value": 80}])
def test_an_indexer_that_cuts_a_block_is_refused(index):
    settings = Settings(ctx_size=256, cache_type_k="q8_0", cache_type_v="q8_0")

    with pytest.raises(InputError, match="blocks of 32 elements"):
        kv.check_cache((replace(MLA, **index),), settings)
