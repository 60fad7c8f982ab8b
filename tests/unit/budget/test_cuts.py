"""A graph on two sides, by hand; the engine itself is asked in tests/e2e/test_sweep.py and its like."""

from aidx.budget.arena import Graph
from aidx.budget.cuts import peaks


def weighed(graph, *inputs, size=10, weight=100):
    """A product that a GPU takes over from the host, as its rows are many."""
    return graph.add(size, graph.stored(weight, "host", weight=True), *inputs, rows=64)


def both(graph):
    return tuple(peaks(graph.nodes, {"gpu0": 1, "host": 1}).values())


def test_an_input_lies_on_the_host_and_is_copied_once():
    graph = Graph()
    given = graph.input(50)
    first = graph.add(10, given, side="gpu0")
    graph.add(10, first, given)

    assert both(graph) == (70, 50)


def test_the_copy_of_a_weight_makes_room_for_the_next():
    graph = Graph()
    x = graph.add(10, graph.input(10))
    for _ in range(3):
        x = weighed(graph, x)

    assert both(graph) == (120, 10)  # never two weights at once


def test_weights_of_one_piece_stand_beside_what_else_it_needs():
    """A piece without a copy yet takes the weight in, and what its later nodes need is copied with it."""
    graph = Graph()
    given = graph.input(30)
    first = weighed(graph)
    graph.add(10, first, given)

    assert both(graph)[0] == 100 + 30 + 10  # and the last one takes the place of the weight


def test_what_is_kept_on_the_host_is_sent_back():
    graph = Graph()
    key = graph.add(40, graph.input(10), side="gpu0")
    graph.add(0, key, side="host")
    graph.add(5, graph.stored(200, "host", weight=False), side="gpu0")

    assert both(graph) == (200 + 5, 40)


def test_a_part_of_a_tensor_is_sent_by_itself():
    graph = Graph()
    whole = graph.add(90, graph.input(10), side="gpu0")
    graph.add(0, graph.view(30, whole), side="host")

    assert both(graph) == (100, 30)


def test_memory_is_taken_over_where_nobody_else_needs_it():
    graph = Graph()
    x = graph.add(64, graph.input(8))
    graph.within(x, graph.stored(4, "host", weight=True), rows=64)

    assert both(graph)[0] == 72


def test_a_view_is_not_written_over_and_its_copy_is():
    here, there = Graph(), Graph()
    for graph, side in ((here, "gpu0"), (there, "host")):
        whole = graph.add(64, graph.input(8), side=side)
        graph.add(1, graph.over(64, graph.view(64, whole)), side="gpu0")

    assert both(here)[0] == 8 + 64 + 64
    assert both(there)[0] == 64 + 1


def test_the_host_s_own_work_needs_no_copies():
    graph = Graph()
    rows = graph.add(25, graph.input(5), side="host")
    graph.add(7, rows, side="gpu0")

    assert both(graph) == (32, 30)


def test_scratch_is_taken_on_a_gpu_alone():
    for side, expected in (("gpu0", (13 + 4, 4)), ("host", (0, 14))):
        graph = Graph()
        graph.add(10, graph.input(4), side=side, scratch=3)

        assert both(graph) == expected


def test_gpus_that_work_at_the_same_time_keep_copies_of_what_they_are_given():
    graph = Graph()
    given = graph.input(50)
    first = graph.add(10, given, side="gpu0")
    graph.add(20, first, side="gpu1")
    found = peaks(graph.nodes, {"gpu0": 1, "gpu1": 1, "host": 1}, copies=4)

    assert found == {"gpu0": 4 * 50 + 10, "gpu1": 4 * 10 + 20, "host": 4 * 50}
