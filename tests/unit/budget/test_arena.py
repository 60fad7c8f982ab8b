"""The graph allocator, by hand: what ggml-alloc.c does with the same tensors."""

from aidx.budget.arena import Arena, Graph, peak


def test_memory_is_used_again_after_its_last_use():
    graph = Graph()
    first = graph.add(100)
    second = graph.add(100, first)
    third = graph.add(100, second)
    graph.add(100, third)

    assert peak(graph.nodes, 1) == 200


def test_a_tensor_that_nobody_uses_stays():
    graph = Graph()
    graph.add(100)
    second = graph.add(10)
    graph.add(10, second)

    assert peak(graph.nodes, 1) == 120


def test_a_parent_that_nobody_else_needs_is_taken_over():
    graph = Graph()
    first = graph.add(100)
    graph.within(first)

    assert peak(graph.nodes, 1) == 100


def test_a_parent_that_somebody_else_needs_is_not_taken_over():
    graph = Graph()
    first = graph.add(100)
    graph.within(first)
    graph.add(0, first)

    assert peak(graph.nodes, 1) == 200


def test_a_sum_takes_over_its_second_parent_where_the_first_is_needed():
    graph = Graph()
    first, second = graph.add(100), graph.add(100)
    total = graph.sum(first, second)
    graph.add(0, first, total)

    assert peak(graph.nodes, 1) == 200


def test_inputs_stand_first_even_when_they_are_used_last():
    graph = Graph()
    given = graph.input(50)
    first = graph.add(100)
    graph.add(0, first, given)

    assert peak(graph.nodes, 1) == 150


def test_sizes_are_aligned():
    graph = Graph()
    graph.add(1)
    graph.add(33)

    assert peak(graph.nodes, 32) == 96


def test_the_smallest_hole_that_fits_is_taken_the_last_of_equals():
    arena = Arena(1)
    offsets = [arena.take(size) for size in (10, 1, 5, 1, 5, 1)]
    for offset, size in zip(offsets[::2], (10, 5, 5), strict=True):
        arena.give(offset, size)

    assert arena.take(5) == offsets[4]
    assert arena.take(4) == offsets[2]
    assert arena.take(6) == offsets[0]
    assert arena.holes == [(6, 4), (15, 1)]


def test_neighbouring_holes_become_one_and_the_end_recedes():
    arena = Arena(1)
    offsets = [arena.take(10) for _ in range(4)]

    arena.give(offsets[0], 10)
    arena.give(offsets[2], 10)
    arena.give(offsets[1], 10)
    assert arena.holes == [(0, 30)]
    arena.give(offsets[3], 10)

    assert arena.holes == []
    assert (arena.end, arena.peak) == (0, 40)


def test_a_smaller_tensor_that_takes_over_leaves_the_rest():
    graph = Graph()
    large = graph.add(100)
    graph.nodes.append(type(graph.nodes[0])(40, (large,), (large,)))
    graph.add(60)

    assert peak(graph.nodes, 1) == 100
