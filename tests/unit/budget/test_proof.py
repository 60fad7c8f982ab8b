"""The verdict: everything that breaks a promise, everything that a proof lacks, and which of them is said first."""

import re

import pytest
from msgspec.structs import replace

from aidx.budget.compare import Difference
from aidx.budget.proof import Peak, Requests, Slope, beside, judge, measured
from tests.fakes.proofs import MIB, evidence

WORSE = Difference("host", "kv_cache", 20 * MIB, 22 * MIB, 10_485)
BETTER = Difference("host", "kv_cache", 20 * MIB, 18 * MIB, 10_485)


def test_what_lacks_nothing_holds():
    verdict, reason = judge(evidence())

    assert verdict == "HOLDS"
    assert reason == (
        "peak 92.0 MiB of 100.0 MiB planned, 99.8% of the KV pool full, under a hard ceiling of 100.0 MiB"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kills": 1, "ended": "the engine was ended by signal 9"}, "the ceiling of 100.0 MiB killed it"),
        ({"ended": "the engine ended with status 134"}, "did not live: the engine ended with status 134"),
        ({"requests": Requests(3, 0, 0, 2), "lost_because": "silent"}, r"2 of its requests got no answer \(silent\)"),
        ({"left": 2}, "2 process"),
        ({"over_refused": False}, "one token more"),
        ({"unfit": "the expected input is 9 tokens"}, "the expected input is 9 tokens"),
        ({"cut": True}, "it cuts prompts"),
        ({"peaks": (Peak("host", 100 * MIB, 100 * MIB + 1),)}, "host held 104,857,601 B, 1 B more than planned"),
        ({"peaks": (Peak("gpu0", 5, 7), Peak("host", 100 * MIB, 1))}, "gpu0 held 7 B, 2 B more"),
        ({"rows": (WORSE,)}, "host kv_cache took 23,068,672 B, 2,097,152 B more"),
        ({"growth": Slope(100_000.0, 90_000.0, 110_000.0, 24)}, "grows by at least 90,000 B a turn"),
    ],
)
def test_what_breaks_a_promise_does_not_hold_with_or_without_a_ceiling(changes, said):
    for more in ({}, {"kind": "none", "held": False, "no_ceiling": "none"}):
        verdict, reason = judge(evidence(**changes, **more))
        assert verdict == "DOES_NOT_HOLD"
        assert re.search(said, reason), reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"problem": "the expected input is too long"}, "the expected input is too long"),
        ({"peaks": (Peak("gpu0", 9, None), Peak("host", 100 * MIB, 1))}, "the memory of gpu0 could not be seen"),
        ({"peaks": ()}, "the memory of the engine could not be seen"),
        ({"kind": "none", "no_ceiling": "no cgroup"}, "there is no hard ceiling: no cgroup"),
        ({"held": False}, "does not confirm the ceiling"),
        ({"occupancy": 0.9899}, "only 99.0% of the KV pool"),
        ({"over_refused": None}, "nothing over the limit"),
    ],
)
def test_what_is_missing_is_not_proven(changes, said):
    verdict, reason = judge(evidence(**changes))

    assert verdict == "NOT_PROVEN"
    assert said in reason


def test_one_that_lived_under_less_than_it_held_lived_on_loan():
    """The kernel may take mapped files back: a ceiling that is too small need not kill."""
    verdict, reason = judge(evidence(ceiling=80 * MIB))

    assert verdict == "DOES_NOT_HOLD"
    assert reason == "it held 92.0 MiB, 12.0 MiB more than the ceiling of 80.0 MiB"
    assert judge(evidence(ceiling=80 * MIB, kind="none", held=False))[0] == "NOT_PROVEN"


def test_less_than_planned_and_growth_that_may_be_none_are_no_failure():
    assert judge(evidence(rows=(BETTER,)))[0] == "HOLDS"
    assert judge(evidence(growth=Slope(1e6, -1.0, 2e6, 24)))[0] == "HOLDS"
    assert judge(evidence(growth=None))[0] == "HOLDS"


def test_what_was_measured_sums_up_to_the_peak():
    found = dict(measured(evidence()))
    sizes = {entry.what: entry.bytes for _, entry in measured(evidence())}

    assert set(found) == {"host"}
    assert sizes == {"weights": 40 * MIB, "kv_cache": 20 * MIB, "compute": 8 * MIB, "engine_process": 24 * MIB}
    assert {entry.grade for _, entry in measured(evidence())} == {"measured"}


def test_a_peak_that_nobody_saw_gives_the_engine_s_own_account_alone():
    blind = evidence(peaks=(Peak("host", 100 * MIB, None),))

    assert "engine_process" not in {entry.what for _, entry in measured(blind)}
    assert blind.measured_peak == 0


def test_entries_stand_beside_each_other_without_what_others_use():
    rows = {row.what: row for row in beside(evidence())}

    assert set(rows) == {"weights", "kv_cache", "compute", "engine_process"}
    assert rows["weights"].equal
    assert rows["engine_process"].share == pytest.approx(-0.25)
    assert not rows["engine_process"].equal


def test_scratch_is_a_part_of_compute():
    seen = evidence()
    account = seen.ledger.accounts[0]
    more = replace(account, entries=(*account.entries, replace(account.entries[2], what="scratch", bytes=3)))
    rows = {row.what: row for row in beside(replace(seen, ledger=replace(seen.ledger, accounts=(more,))))}

    assert rows["compute"].planned == 8 * MIB + 3
    assert "scratch" not in rows
