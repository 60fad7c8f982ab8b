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


def test_what_is_not_ours_is_looked_at_every_few_seconds():
    restarts = Restarts(ours=False)
    looks = [restarts.delay(now) for now in range(30)]
    assert looks == sorted(looks)
    assert (looks[0], looks[-1]) == (0.5, 5.0)

    restarts.began(ours=False)
    assert restarts.delay(40) == 0.5


@given(st.lists(st.floats(0, 30), min_size=4, max_size=30))
def test_never_more_than_three_starts_in_any_minute(lives):
    restarts = Restarts()
    now, starts = 0.0, []
    for life in lives:
        now += life  # the engine dies
        now += restarts.delay(now)
        starts.append(now)

    assert all(later - earlier >= 60 - 1e-6 for earlier, later in zip(starts, starts[3:], strict=False))
