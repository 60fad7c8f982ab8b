"""Numbers as people read them."""

import pytest

from aidx.budget.sizes import gib
from aidx.page.figures import grouped, percent

GIB = 1 << 30


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (8_988_110_272, "8.37 GiB"),
        (12 * GIB, "12.00 GiB"),
        (0, "0.00 GiB"),
        (GIB // 10 + 1, "0.10 GiB"),
        (12_400_000, "0.012 GiB"),
        (3 << 20, "0.0029 GiB"),
        (1, "0.000000001 GiB"),
        (-GIB, "-1.00 GiB"),
        (-(3 << 20), "-0.0029 GiB"),
    ],
)
def test_memory_is_written_in_gib_and_small_amounts_do_not_vanish(count, written):
    assert gib(count) == written


def test_counts_are_grouped():
    assert grouped(8_988_110_272) == "8,988,110,272"


def test_a_share_of_nothing_is_no_error():
    assert percent(1, 8) == "12.5 %"
    assert percent(1, 0) == "0.0 %"
