"""Laws of the arithmetic, over any settings."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.models import qwen2, qwen3moe, with_metadata

from aidx.adapters.catalogue import read_catalogue
from aidx.budget import kv, weights
from aidx.budget.allocate import Allocator, allocate
from aidx.budget.arena import Arena, Graph, peak
from aidx.budget.growth import full_at_turn
from aidx.budget.placement import place
from aidx.budget.settings import Settings
from aidx.budget.sizes import MOST, parse_size
from aidx.errors import InputError
from aidx.model.blueprint import from_catalogue
from aidx.model.spec import Layer

MODELS = (qwen2(blocks=6), qwen3moe(blocks=6))
LAYERS = st.builds(
    Layer,
    kv_heads=st.integers(1, 16),
    key_dim=st.sampled_from([64, 96, 128, 576]),
    value_dim=st.sampled_from([64, 96, 128]),
    window=st.none() | st.integers(1, 8192),
)
SETTINGS = st.builds(
    Settings,
    ctx_size=st.integers(1, 1 << 18),
    parallel=st.integers(1, 8),
    cache_type_k=st.sampled_from(kv.CACHE_TYPES),
    cache_type_v=st.sampled_from(kv.CACHE_TYPES),
    ubatch_size=st.integers(32, 2048),
    n_gpu_layers=st.integers(0, 7),
    n_cpu_moe=st.integers(0, 6),
    kv_unified=st.booleans(),
    swa_full=st.booleans(),
)


def total(model, settings, gpus=1):
    return sum(entry.bytes for entries in allocate(model, settings, gpus=gpus).values() for entry in entries)


def kept(layer, settings):
    return kv.layer_bytes(layer, settings, device="host", widest=None)


@given(LAYERS, SETTINGS, st.integers(0, 1 << 16))
def test_more_tokens_never_take_less(layer, settings, more):
    longer = replace(settings, ctx_size=settings.ctx_size + more)

    assert kept(layer, longer) >= kept(layer, settings)


@given(LAYERS, SETTINGS)
def test_a_window_never_takes_more_than_none(layer, settings):
    assert kept(layer, settings) <= kept(replace(layer, window=None), settings)
    assert kept(layer, replace(settings, swa_full=True)) == kept(replace(layer, window=None), settings)


@given(LAYERS, SETTINGS)
def test_cells_are_enough_for_what_was_asked(layer, settings):
    assert settings.n_ctx >= settings.ctx_size
    assert kv.cells(replace(layer, window=None), settings) * settings.n_stream == settings.n_ctx
    assert kv.cells(layer, settings) % 256 == 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.architecture)
@given(settings=SETTINGS, gpus=st.integers(0, 1))
def test_weights_lie_somewhere_once_wherever_they_are_put(model, settings, gpus):
    entries = allocate(model, settings, gpus=gpus)
    weights = sum(entry.bytes for device in entries.values() for entry in device if entry.what == "weights")

    beyond = weights - sum(tensor.bytes for tensor in model.tensors)
    assert 0 <= beyond <= len(model.tensors) * (2 * 210 + 128)  # two blocks of q6_K and the alignment
    assert all(entry.bytes > 0 and entry.why for device in entries.values() for entry in device)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.architecture)
@given(settings=SETTINGS, gpus=st.integers(0, 1), more=st.integers(1, 64))
def test_a_longer_context_and_more_slots_never_take_less(model, settings, gpus, more):
    settings = replace(settings, n_gpu_layers=7, n_cpu_moe=0)
    assume(settings.ctx_size >= settings.ubatch_size)

    assert total(model, replace(settings, ctx_size=settings.ctx_size + 256 * more), gpus) >= total(
        model, settings, gpus
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.architecture)
@given(settings=SETTINGS)
def test_scratch_never_exceeds_the_graph_that_it_is_a_part_of(model, settings):
    found = {entry.what: entry.bytes for entry in allocate(model, settings, gpus=1)["gpu0"]}

    # A host that holds everything computes batches below 32 tokens itself, as the engine's own zero bytes say.
    busy = settings.n_gpu_layers > 0 or min(settings.n_ctx, settings.n_ubatch) // settings.parallel >= 32
    assert found.get("compute", 0) > 0 or not busy


VALUES = st.none() | st.integers(-1, 1 << 70) | st.text(max_size=3) | st.booleans() | st.floats()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.architecture)
@given(data=st.data(), value=VALUES)
def test_damaged_metadata_give_entries_or_an_input_error(model, data, value):
    key = data.draw(st.sampled_from(sorted(model.header.metadata.keys() - {"general.architecture"})))
    damaged = {**model.header.metadata, key: value}
    if value is None:
        del damaged[key]

    complaint = None
    try:
        assert total(with_metadata(model, damaged), Settings(ctx_size=256, n_gpu_layers=7)) > 0
    except InputError as error:
        complaint = str(error)

    assert complaint is None or key in complaint


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.sampled_from([1, 32, 128]), st.randoms())
def test_the_arena_never_gives_the_same_byte_twice(sizes, alignment, random):
    arena = Arena(alignment)
    live = []
    for size in sizes:
        if live and random.random() < 0.5:
            arena.give(*live.pop(random.randrange(len(live))))
        offset = arena.take(size)
        assert offset % alignment == 0
        assert all(offset + size <= other or other + length <= offset for other, length in live)
        assert offset + size <= arena.end <= arena.peak
        live.append((offset, size))
    for offset, size in live:
        arena.give(offset, size)

    assert (arena.end, arena.holes) == (0, [])


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_a_chain_needs_two_neighbours_at_a_time_and_no_more_than_all(sizes):
    graph = Graph()
    last = graph.add(sizes[0])
    for size in sizes[1:]:
        last = graph.add(size, last)

    neighbours = max((a + b for a, b in pairwise(sizes)), default=sizes[0])
    assert neighbours <= peak(graph.nodes, 1) <= sum(sizes)


@given(st.integers(0, MOST))
def test_plain_bytes_are_read_as_they_are(size):
    assert parse_size(str(size)) == parse_size(f"{size}B") == size


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_an_input_error(text):
    complaint = None
    try:
        assert parse_size(text) >= 0
    except InputError as error:
        complaint = error

    assert complaint is None or complaint.hint


@given(st.integers(1, 1 << 20), st.integers(0, 1 << 20), st.integers(1, 5000))
def test_the_turn_before_the_one_that_breaks_still_fits(capacity, start, each):
    turn = full_at_turn(capacity, start_tokens=start, tokens_per_turn=each)

    assert turn is not None
    assert start + turn * each > capacity
    assert turn == 1 or start + (turn - 1) * each <= capacity


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.architecture)
@given(settings=SETTINGS, gpus=st.integers(0, 1))
def test_tensors_counted_in_groups_are_the_tensors_counted_one_by_one(model, settings, gpus):
    placement = place(model, settings, gpus=gpus)
    for device in placement.devices:
        held = weights.held(model, placement, device)
        alone = [(placement.holders(tensor).count(device), tensor) for tensor in model.tensors]

        assert held.bytes == sum(copies * weights.allocated(tensor, device) for copies, tensor in alone)
        assert held.tensors == sum(copies for copies, _ in alone)


@given(settings=st.lists(SETTINGS, min_size=1, max_size=4), gpus=st.integers(0, 1))
def test_kin_share_only_what_is_the_same_for_both(settings, gpus):
    model = MODELS[0]
    other = from_catalogue(next(entry for entry in read_catalogue() if entry.id == "qwen2.5-coder-0.5b"), "Q8_0")
    sibling = from_catalogue(next(entry for entry in read_catalogue() if entry.id == "qwen2.5-coder-0.5b"), "F16")
    for one, kin in ((model, other), (sibling, other)):
        first = Allocator(kin, gpus=gpus)
        shared = Allocator(one, gpus=gpus, kin=first)
        for asked in settings:
            with suppress(InputError):
                first(asked)
            with suppress(InputError):
                assert shared(asked) == allocate(one, asked, gpus=gpus)
