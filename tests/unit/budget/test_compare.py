"""Planned against allocated, as a demo or a start of the engine compares them."""

from aidx.budget.compare import Difference, compare, overrun, sentence
from aidx.budget.ledger import Account, Entry, Ledger

MIB = 1 << 20
LOG = MIB // 100


def ledger(*entries):
    return Ledger((Account("host", "host", 64 * MIB, entries),))


def entry(what, size, grade="exact"):
    return Entry(what, size, "", grade)


def test_equal_to_the_rounding_of_the_log_holds():
    (row,) = compare(ledger(entry("weights", 10 * MIB + LOG)), {"host": (entry("weights", 10 * MIB),)}, resolution=LOG)

    assert row == Difference("host", "weights", 10 * MIB + LOG, 10 * MIB, LOG)
    assert row.bytes == -LOG
    assert row.holds


def test_a_byte_beyond_the_rounding_does_not_hold():
    for planned in (10 * MIB + LOG + 1, 10 * MIB - LOG - 1):
        (row,) = compare(ledger(entry("weights", planned)), {"host": (entry("weights", 10 * MIB),)}, resolution=LOG)
        assert not row.holds


def test_each_figure_of_the_log_may_be_rounded():
    halves = (entry("kv_cache", 4 * MIB), entry("kv_cache", 4 * MIB))

    (row,) = compare(ledger(entry("kv_cache", 8 * MIB + 2 * LOG)), {"host": halves}, resolution=LOG)

    assert row.rounding == 2 * LOG
    assert row.holds


def test_scratch_is_a_part_of_the_engines_compute():
    (row,) = compare(
        ledger(entry("compute", 3 * MIB, "engine"), entry("scratch", MIB, "engine")),
        {"host": (entry("compute", 4 * MIB),)},
        resolution=LOG,
    )

    assert (row.what, row.planned, row.bytes, row.holds) == ("compute", 4 * MIB, 0, True)


def test_a_modelled_entry_promises_a_bound():
    planned = ledger(entry("compute", 4 * MIB, "modelled"))

    (below,) = compare(planned, {"host": (entry("compute", 3 * MIB),)}, resolution=LOG)
    (above,) = compare(planned, {"host": (entry("compute", 5 * MIB),)}, resolution=LOG)

    assert (below.equal, below.holds, above.holds) == (False, True, False)


def test_what_only_one_side_has_is_a_difference():
    rows = compare(
        ledger(entry("repack", MIB, "engine")),
        {"host": (entry("weights", MIB),), "gpu0": (entry("kv_cache", MIB),)},
        resolution=LOG,
    )

    assert [(row.device, row.what, row.bytes, row.holds) for row in rows] == [
        ("host", "weights", MIB, False),
        ("host", "repack", -MIB, False),
        ("gpu0", "kv_cache", MIB, False),
    ]


def test_what_an_engine_does_not_report_is_not_compared():
    assert compare(ledger(entry("engine_process", MIB), entry("driver", MIB)), {}, resolution=LOG) == ()


def test_an_overrun_is_what_exceeds_the_room_that_is_left():
    planned = Ledger((Account("host", "host", 6 * MIB, (entry("kv_cache", 4 * MIB),)),))

    within = compare(planned, {"host": (entry("kv_cache", 5 * MIB),)}, resolution=0)
    beyond = compare(planned, {"host": (entry("kv_cache", 7 * MIB),)}, resolution=0)
    elsewhere = compare(planned, {"gpu0": (entry("kv_cache", MIB),)}, resolution=0)

    assert overrun(planned, within) == {}
    assert overrun(planned, beyond) == {"host": MIB}
    assert overrun(planned, elsewhere) == {"gpu0": MIB}


def test_the_comparison_in_a_sentence_names_what_differs():
    planned = ledger(entry("kv_cache", 4 * MIB), entry("output", 8))

    same = compare(planned, {"host": (entry("kv_cache", 4 * MIB), entry("output", 8))}, resolution=0)
    other = compare(planned, {"host": (entry("kv_cache", 5 * MIB), entry("output", 8))}, resolution=0)

    assert sentence(same) == "allocated 4,194,312 B in 2 kinds of buffers, each as planned to the log's 0.01 MiB"
    assert sentence(other) == "allocated otherwise than planned: host kv_cache 5,242,880 B, planned 4,194,304 B"
