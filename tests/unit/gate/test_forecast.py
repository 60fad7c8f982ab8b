"""When to come again: from what is left to say, and how fast it is said."""

import pytest

from aidx.gate.forecast import LONGEST_WAIT_S, Running, Speed, retry_after

TEN = Speed(10.0, measured=True)


@pytest.mark.parametrize(
    ("running", "free", "wanted", "slots", "seconds"),
    [
        ([Running(100, 200), Running(100, 50)], 0, 80, 0, 5),  # the one that ends first makes room
        ([Running(100, 200), Running(50, 50)], 0, 80, 0, 20),  # … unless it holds too little
        ([Running(100, 200), Running(50, 50)], 40, 80, 0, 5),
        ([Running(10, 1)], 1000, 1, 0, 1),  # at least a second
        ([Running(10, 0)], 1000, 1, 0, 1),
        ([], 1000, 1, 1, 1),
        ([Running(100, 10**9)], 0, 80, 0, LONGEST_WAIT_S),
    ],
)
def test_the_first_in_line_gets_its_cells_when_enough_have_ended(running, free, wanted, slots, seconds):
    assert retry_after(running, free, wanted, slots, TEN) == seconds


def test_the_first_measurement_counts_whole_and_later_ones_in_part():
    speed = Speed()
    speed.note(100, 2.0)
    assert speed.tokens_per_second == 50

    speed.note(200, 2.0)
    assert speed.tokens_per_second == 60


@pytest.mark.parametrize(("tokens", "seconds"), [(1, 1.0), (0, 1.0), (100, 0.0)])
def test_what_says_nothing_of_the_speed_is_not_counted(tokens, seconds):
    speed = Speed()
    speed.note(tokens, seconds)

    assert speed == Speed()
