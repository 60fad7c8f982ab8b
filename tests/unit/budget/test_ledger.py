"""The ledger's sums, by hand."""

import pytest

from aidx.budget.ledger import Account, Entry, Ledger


def entry(what, size):
    return Entry(what, size, "because", "assumed")


GPU = Account("gpu0", "gpu", 1000, (entry("weights", 600), entry("weights", 50), entry("desktop", 200)))


def test_what_others_use_stands_outside_the_plan():
    assert (GPU.usable, GPU.planned, GPU.headroom) == (800, 650, 150)
    assert GPU.sum("weights") == 650
    assert GPU.sum("compute") == 0


def test_a_ledger_holds_when_every_account_does():
    full = Account("host", "host", 10, (entry("output", 10),))
    over = Account("host", "host", 10, (entry("output", 10), entry("reserve", 1)))

    assert Ledger((GPU, full)).holds
    assert not Ledger((GPU, over)).holds
    assert over.headroom == -1
    assert Ledger((GPU, over)).account("host") is over
    with pytest.raises(StopIteration):
        Ledger((GPU,)).account("gpu1")
