"""Who makes room: decided from the ledger's bytes."""

from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aidx.serve.evict import Resident, fits, leaving, only, together

ROOM = {"gpu0": 10, "host": 20}
SIZES = st.fixed_dictionaries({"gpu0": st.integers(0, 10), "host": st.integers(0, 20)})


def resident(name, used, **takes):
    return Resident(name, takes, used)


def test_nobody_goes_while_there_is_room():
    assert leaving({"gpu0": 4}, [resident("a", 1, gpu0=6)], ROOM) == ()


def test_the_longest_unused_goes_first():
    residents = [resident("new", 9, gpu0=4), resident("old", 1, gpu0=4)]

    assert leaving({"gpu0": 6}, residents, ROOM) == ("old",)


def test_one_that_goes_in_vain_stays():
    residents = [resident("small", 1, gpu0=1), resident("large", 2, gpu0=8)]

    assert leaving({"gpu0": 9}, residents, ROOM) == ("large",)


def test_what_lies_on_another_device_stays():
    residents = [resident("host", 1, host=20), resident("gpu", 2, gpu0=8)]

    assert leaving({"gpu0": 5}, residents, ROOM) == ("gpu",)


def test_what_does_not_hold_alone_is_no_question():
    with pytest.raises(ValueError, match="alone"):
        leaving({"gpu0": 11}, [], ROOM)


def test_at_the_start_the_most_important_are_loaded():
    wanted = [("editor", {"gpu0": 8}), ("verifier", {"gpu0": 8}), ("embedder", {"gpu0": 2})]

    assert together(wanted, ROOM) == ("editor", "embedder")


@given(SIZES, st.lists(SIZES, max_size=5))
def test_afterwards_it_holds_and_nobody_went_without_need(wanted, takes):
    residents = [Resident(str(used), one, used) for used, one in enumerate(takes)]
    assume(fits(ROOM, *takes))
    going = leaving(wanted, residents, ROOM)
    staying = [one.takes for one in residents if one.name not in going]

    assert fits(ROOM, wanted, *staying)
    back = [one.takes for one in residents if one.name in going]
    assert not any(
        fits(ROOM, wanted, *staying, *some) for n in range(1, len(back) + 1) for some in combinations(back, n)
    )


def test_a_plan_shows_what_is_loaded():
    def entry(role, size):
        return {"what": "weights", "bytes": size, "role": role}

    device = {
        "name": "host",
        "usable_bytes": 10,
        "planned_bytes": 14,
        "headroom_bytes": -4,
        "entries": [entry(None, 3), entry("editor", 8), entry("verifier", 6)],
    }
    shown = only({"schema": "aidx.plan/1", "devices": [device]}, {"verifier"})["devices"][0]

    assert (shown["planned_bytes"], shown["headroom_bytes"]) == (6, 4)
    assert [one["role"] for one in shown["entries"]] == [None, "verifier"]
