"""Which device computes what, by hand; the engine's own choices are seen in the bytes of tests/e2e/test_sweep.py."""

from aidx.budget.arena import NOT_BY_WEIGHTS, Graph
from aidx.budget.sides import sides


def on(graph, side, *inputs, rows=1):
    return graph.add(10, graph.stored(5, side, weight=True), *inputs, rows=rows)


def test_a_product_is_computed_where_its_weights_lie():
    graph = Graph()
    first = on(graph, "gpu1")
    second = on(graph, "host", first, rows=31)

    found = sides(graph.nodes, "gpu0")
    assert (found[first], found[second]) == ("gpu1", "host")


def test_the_first_gpu_takes_over_what_has_32_rows_from_the_host():
    graph = Graph()
    product = on(graph, "host", rows=32)

    assert sides(graph.nodes, "gpu0")[product] == "gpu0"


def test_rotations_do_not_go_where_their_factors_lie():
    graph = Graph()
    factors = graph.stored(1, "host", weight=True)
    product = on(graph, "gpu1")
    turned = graph.add(10, product, factors, rows=NOT_BY_WEIGHTS)

    assert sides(graph.nodes, "gpu0")[turned] == "gpu1"


def test_what_has_no_weights_goes_where_the_gpus_neighbours_are():
    graph = Graph()
    before = on(graph, "host")
    between = graph.add(10, before)
    after = on(graph, "gpu0", between)

    found = sides(graph.nodes, "gpu0")
    assert [found[each] for each in (before, between, after)] == ["host", "gpu0", "gpu0"]


def test_between_two_of_the_host_it_stays_there():
    graph = Graph()
    before = on(graph, "host")
    between = graph.add(10, before)
    after = on(graph, "host", between)
    on(graph, "gpu0", after)

    assert sides(graph.nodes, "gpu0")[between] == "host"


def test_a_view_is_where_its_source_is():
    graph = Graph()
    source = on(graph, "gpu1")
    view = graph.view(4, source)

    assert sides(graph.nodes, "gpu0")[view] == "gpu1"
