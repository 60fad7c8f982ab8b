"""The geometry of a bar: proportions, order, and the line at which a device ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aidx.budget.ledger import Account, Entry
from aidx.page.picture import draw, picture

GIB = 1 << 30


def test_segments_are_proportional_and_leave_the_headroom(gpu):
    drawn = picture(gpu)

    assert [segment.entry.what for segment in drawn.segments] == ["weights", "kv_cache", "compute", "driver"]
    assert drawn.segments[1].width == pytest.approx(12.5)
    assert drawn.used == pytest.approx(84.03, abs=0.01)
    assert drawn.limit == 100


def test_what_others_use_comes_first(host):
    assert [segment.entry.what for segment in picture(host).segments] == ["desktop", "weights", "engine_process"]


def test_a_device_that_is_too_small_has_its_limit_inside_the_bar(gpu):
    drawn = picture(replace(gpu, total=gpu.planned // 2))

    assert drawn.used == 100
    assert drawn.limit == pytest.approx(50)


def test_nothing_on_a_device_of_nothing():
    empty = Account("gpu0", "gpu", 0)

    assert picture(empty).segments == ()
    assert "0.00 GiB free" in draw(empty, "x")


def test_a_limit_in_the_left_half_is_labelled_on_its_right(gpu):
    svg = draw(replace(gpu, total=GIB), "x")

    assert 'text-anchor="start">1.00 GiB limit' in svg
    assert 'class="excess">9.08 GiB over' in svg


def test_a_role_is_named_in_the_tooltip():
    account = Account("gpu0", "gpu", 4 * GIB, (Entry("kv_cache", GIB, "", "exact", "editor"),))

    assert "KV cache of editor: 1.00 GiB (25.0 %, exact)" in draw(account, "x")


def test_only_segments_with_room_are_named(gpu):
    svg = draw(gpu, "x")

    assert '<text x="8" y="42" class="name">KV cache</text>' in svg
    assert 'class="name">Driver context' not in svg


KINDS = st.sampled_from(["weights", "kv_cache", "compute", "driver", "desktop", "reserve"])
ENTRIES = st.lists(st.builds(Entry, KINDS, st.integers(0, 1 << 36), st.just(""), st.just("exact")), max_size=6)


@given(ENTRIES, st.integers(0, 1 << 36))
def test_a_bar_is_never_wider_than_the_page(entries, total):
    account = Account("gpu0", "gpu", total, tuple(entries))
    drawn = picture(account)

    assert drawn.used <= 100.0001
    assert drawn.limit <= 100
    assert (drawn.limit >= drawn.used - 1e-9) == (account.headroom >= 0)
    ends = [0.0] + [segment.start + segment.width for segment in drawn.segments]
    assert [segment.start for segment in drawn.segments] == pytest.approx(ends[:-1])
