"""A graph on two sides, by hand; the engine itself is asked in tests/e2e/test_sweep.py and test_bound.py."""

from aidx.budget.arena import Graph
from aidx.budget.cuts import peaks


def both(graph):
    return tuple(peaks(graph.nodes, gpu=1, host=1))


def test_an_input_lies_on_the_host_and_is_copied_once():
    graph = Graph()
    given = graph.input(50)
    first = graph.add(10, given)
    graph.add(10, first, given)

    assert both(graph) == (70, 50)


def test_the_copy_of_a_weight_makes_room_for_the_next():
    graph = Graph()
    x = graph.add(10, graph.input(10))
    for _ in range(3):
        x = graph.add(10, graph.stored(100, weight=True), x)

    assert both(graph) == (120, 10)  # never two weights at once


def test_weights_of_one_piece_stand_beside_what_else_it_needs():
    """A piece without a copy yet takes the weight in, and what its later nodes need is copied with it."""
    graph = Graph()
    given = graph.input(30)
    first = graph.add(10, graph.stored(100, weight=True))
    graph.add(10, first, given)

    assert both(graph)[0] == 100 + 30 + 10  # and the last one takes the place of the weight


def test_what_is_kept_on_the_host_is_sent_back():
    graph = Graph()
    key = graph.add(40, graph.input(10))
    graph.add(0, key, host=True)
    graph.add(5, graph.stored(200, weight=False))

    assert both(graph) == (200 + 5, 40)


def test_a_part_of_a_tensor_is_sent_by_itself():
    graph = Graph()
    whole = graph.add(90, graph.input(10))
    graph.add(0, graph.view(30, whole), host=True)

    assert both(graph) == (100, 30)


def test_memory_is_taken_over_where_nobody_else_needs_it():
    graph = Graph()
    x = graph.add(64, graph.input(8))
    graph.within(x, graph.stored(4, weight=True))

    assert both(graph)[0] == 72


def test_the_host_s_own_work_needs_no_copies():
    graph = Graph()
    rows = graph.add(25, graph.input(5), host=True)
    graph.add(7, rows)

    assert both(graph) == (32, 30)
