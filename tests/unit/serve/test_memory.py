"""What a process may hold beyond its plan, and what is said when it holds more."""

from itertools import pairwise

from aidx.budget.sizes import GIB, MIB
from aidx.serve.memory import LEAST_MARGIN, MARGIN, Memory, margin


def test_as_much_is_borne_as_the_host_has_and_no_more_than_a_bound():
    rooms = [-GIB, 0, 100 * MIB, 300 * MIB, GIB, 64 * GIB]

    assert [margin(room) for room in rooms] == [LEAST_MARGIN] * 3 + [300 * MIB, MARGIN, MARGIN]
    assert all(margin(less) <= margin(more) for less, more in pairwise(rooms))


def test_nothing_is_wrong_up_to_the_bound_and_beyond_it_both_figures_are_said():
    sizes = {1: 3 * GIB, 2: 3 * GIB + 1}
    memory = Memory(2 * GIB, GIB, sizes.get)

    assert memory.wrong(1) == ""
    assert (memory.held, memory.outgrown) == (3 * GIB, 0)
    assert memory.wrong(2) == "the engine held 3.00 GiB of memory, 2.00 GiB planned and 1.00 GiB borne"
    assert (memory.held, memory.outgrown) == (3 * GIB + 1, 1)


def test_what_cannot_be_seen_is_not_held_against_anybody():
    memory = Memory(0, 0, lambda _: None)

    assert memory.wrong(1) == ""
    assert memory.held == 0
