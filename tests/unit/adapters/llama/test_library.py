"""The library as ctypes sees it: layouts, the self-check, and what CUDA would allocate for a tensor."""

import ctypes as c
import sys

import pytest

from aidx.adapters.llama import backend, capi, selfcheck, virtual
from aidx.adapters.llama.wheel import find_wheel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
F16, Q8_0 = 1, 8


@pytest.fixture(scope="module")
def library() -> c.CDLL:
    return capi.open_library(str(find_wheel().library))


def tensor(kind: int, *shape: int, op: int = 0) -> backend.Tensor:
    """A contiguous tensor that nobody allocated."""
    block, size = {F16: (1, 2), Q8_0: (32, 34)}[kind]
    ne = [*shape, 1, 1, 1][:4]
    made = backend.Tensor(type=kind, op=op)
    made.ne[:] = ne
    made.nb[0], made.nb[1] = size, ne[0] // block * size
    made.nb[2] = made.nb[1] * ne[1]
    made.nb[3] = made.nb[2] * ne[2]
    return made


def attention(library: c.CDLL, key: backend.Tensor, value: backend.Tensor) -> tuple[backend.Tensor, int]:
    """A flash attention over *key* and *value*, and its operation's number."""
    number = virtual._numbers(library)["FLASH_ATTN_EXT"]
    made = tensor(F16, 128, 40, 512, op=number)
    made.src[1], made.src[2] = c.addressof(key), c.addressof(value)
    made.kept = key, value
    return made, number


def allocated(library: c.CDLL, of: backend.Tensor, flash_attention: int = -1) -> int:
    return virtual._allocation(library, flash_attention)(0, c.addressof(of))


def test_the_pinned_build_passes(library):
    assert selfcheck.mismatch(library) is None


@pytest.mark.parametrize(("table", "name"), [("MODEL_DEFAULTS", "split_mode"), ("CONTEXT_DEFAULTS", "n_ctx")])
def test_one_other_default_is_a_mismatch(library, monkeypatch, table, name):
    monkeypatch.setitem(getattr(selfcheck, table), name, 77)

    assert "gives other values than the pinned build" in (selfcheck.mismatch(library) or "")


def test_a_longer_struct_is_a_mismatch(library, monkeypatch):
    """Had the library's struct more fields than ours, their defaults would be written behind it."""
    fields = capi.ContextParams._fields_[:-5]
    defaults = {key: value for key, value in selfcheck.CONTEXT_DEFAULTS.items() if key != "swa_full"}
    monkeypatch.setattr(selfcheck, "ContextParams", type("Shorter", (c.Structure,), {"_fields_": fields}))
    monkeypatch.setattr(selfcheck, "CONTEXT_DEFAULTS", defaults)

    assert "llama_context_default_params" in (selfcheck.mismatch(library) or "")


def test_another_size_of_tensors_is_a_mismatch(library, monkeypatch):
    monkeypatch.setattr(selfcheck, "OBJECT_SIZE", 48)

    assert selfcheck.mismatch(library) == "a tensor takes 368 bytes, not 384 as in the pinned build"


def test_another_library_lacks_the_functions():
    with pytest.raises(AttributeError, match="llama_log_set"):
        capi.open_library("libc.so.6")


def test_a_map_that_is_none_is_refused(library, monkeypatch):
    """The walk ends at the stated count, and says so when the tree has another."""
    leaf = capi._Node(buft=1, model=2, context=3, compute=4)
    tree = capi._Map(root=c.addressof(leaf), count=2)
    monkeypatch.setitem(library.__dict__, capi.BREAKDOWN, lambda _: tree)

    with pytest.raises(OSError, match="is not the map of the pinned build"):
        capi.memory_breakdown(library, 0)


def test_a_map_is_read_in_full(library, monkeypatch):
    left, right = capi._Node(buft=1, model=2, context=3, compute=4), capi._Node(buft=5, model=6)
    root = capi._Node(buft=7, compute=8, left=c.addressof(left), right=c.addressof(right))
    tree = capi._Map(root=c.addressof(root), count=3)
    monkeypatch.setitem(library.__dict__, capi.BREAKDOWN, lambda _: tree)

    assert sorted(capi.memory_breakdown(library, 0)) == [(1, 2, 3, 4), (5, 6, 0, 0), (7, 0, 0, 8)]


def test_whole_rows_take_their_bytes(library):
    assert allocated(library, tensor(Q8_0, 1024, 3)) == 3 * 1024 // 32 * 34
    assert allocated(library, tensor(F16, 1000, 3)) == 3 * 1000 * 2


def test_a_quantized_row_that_is_no_multiple_of_512_gets_a_partial_row_more(library):
    """CUDA pads the last row to 512 elements (``MATRIX_ROW_PADDING``): 576 are followed by 448."""
    assert allocated(library, tensor(Q8_0, 576, 3)) == (3 * 576 + 448) // 32 * 34


def test_attention_over_f16_takes_no_copies(library):
    made, number = attention(library, tensor(F16, 128, 256, 8), tensor(F16, 128, 256, 8))

    assert allocated(library, made, number) == 128 * 40 * 512 * 2


def test_attention_over_a_quantized_cache_takes_copies_of_both(library):
    key, value = tensor(Q8_0, 128, 256, 8), tensor(Q8_0, 64, 256, 8)
    made, number = attention(library, key, value)

    assert allocated(library, made, number) == (128 * 40 * 512 + 128 * 256 * 8 + 64 * 256 * 8) * 2


def test_copies_are_aligned_to_128_bytes(library):
    key, value = tensor(Q8_0, 32, 1, 1), tensor(Q8_0, 32, 1, 1)
    made, number = attention(library, key, value)
    made.ne[:] = [33, 1, 1, 1]

    assert allocated(library, made, number) == 128 + 64 + 64 + 64


@pytest.mark.parametrize("directly", [True, False])
def test_mla_reads_v_out_of_k_and_copies_once(library, directly):
    """``V_is_K_view`` of ``fattn-common.cuh``: V views K itself, or the same cache at the same place."""
    cache = tensor(Q8_0, 576, 256)
    key, value = tensor(Q8_0, 576, 256), tensor(Q8_0, 512, 256)
    value.view_src = key.view_src = c.addressof(cache)
    if directly:
        value.view_src = c.addressof(key)
    made, number = attention(library, key, value)

    assert allocated(library, made, number) == (128 * 40 * 512 + 576 * 256) * 2


def test_a_view_of_another_place_is_copied_too(library):
    cache = tensor(Q8_0, 576, 512)
    key, value = tensor(Q8_0, 576, 256), tensor(Q8_0, 512, 256)
    value.view_src = key.view_src = c.addressof(cache)
    value.view_offs = 64
    made, number = attention(library, key, value)

    assert allocated(library, made, number) == (128 * 40 * 512 + 576 * 256 + 512 * 256) * 2


@pytest.mark.parametrize(
    ("op", "tokens"), [("GET_ROWS", 0), ("MUL_MAT", 2), ("MUL_MAT_ID", 3), ("ROPE", 3), ("ROPE_BACK", 3), ("", 24)]
)
def test_the_batch_that_decides_about_offloading(library, op, tokens):
    """``get_op_batch_size`` of ``ggml-cuda.cu``; other operations count all rows."""
    numbers = virtual._numbers(library)
    made = tensor(F16, 8, 2, 3, 4, op=numbers.get(op, 0))

    assert virtual._tokens(made, numbers) == tokens
