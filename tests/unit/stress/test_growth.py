"""The slope of memory, against figures that were worked out by hand and against a published quantile."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.stress.growth import slope


def test_a_straight_line_has_its_slope_and_no_doubt():
    found = slope([0, 0, 0, 0, 100, 107, 114, 121])

    assert (found.per_turn, found.low, found.high, found.turns) == (7, 7, 7, 4)


def test_the_first_half_is_left_out():
    assert slope([10**9, 5, 10**6, 7, 100, 100, 100, 100]).per_turn == 0


def test_too_few_turns_say_nothing():
    assert slope([1, 2, 3, 4]) is None
    assert slope([]) is None


def test_the_interval_is_student_s():
    # 1, 2, 4 over 0, 1, 2: slope 1.5; residuals -1/6, 1/3, -1/6; s = sqrt(1/6); t(1) = 12.706
    found = slope([0, 0, 1, 2, 4])

    assert found.per_turn == pytest.approx(1.5)
    assert found.high - found.per_turn == pytest.approx(12.706 * sqrt((1 / 6) / 1 / 2))


@given(st.lists(st.integers(0, 1 << 40), min_size=6, max_size=60), st.integers(-1000, 1000))
def test_a_leak_of_so_much_a_turn_is_found_on_top_of_anything(sizes, leak):
    before, after = slope(sizes), slope([size + leak * turn for turn, size in enumerate(sizes)])

    assert after.per_turn - before.per_turn == pytest.approx(leak, abs=1e-2)
    assert before.low <= before.per_turn <= before.high
