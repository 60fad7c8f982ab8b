from hypothesis import given
from hypothesis import strategies as st

from aidx.serve.lifecycle import Restarts


def test_each_restart_waits_longer_and_the_fourth_for_the_minute_to_pass():
    restarts = Restarts()

    first, second, third, fourth = (restarts.delay(now) for now in (0, 1, 2, 5))

    assert first < second < third < 10
    assert 5 + fourth >= first + 60


def test_after_a_quiet_minute_it_is_the_first_again():
    restarts = Restarts()
    delays = [restarts.delay(now) for now in (0, 1, 2)]

    assert restarts.delay(200) == delays[0]


@given(st.lists(st.floats(0, 30), min_size=4, max_size=30))
def test_never_more_than_three_starts_in_any_minute(lives):
    restarts = Restarts()
    now, starts = 0.0, []
    for life in lives:
        now += life  # the engine dies
        now += restarts.delay(now)
        starts.append(now)

    assert all(later - earlier >= 60 - 1e-6 for earlier, later in zip(starts, starts[3:], strict=False))
