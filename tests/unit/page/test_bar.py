"""The bar for a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aidx.budget.ledger import Account, Entry
from aidx.page.bar import balance, bar, legend

GIB = 1 << 30


def test_a_plan_that_fits(gpu):
    assert bar(gpu) == "█" * 42 + "▓" * 8 + "▒" + "░" * 3 + "·" * 10 + "|"
    assert legend(gpu) == "█ weights 7.96 GiB  ▓ kv 1.50 GiB  ▒ compute 0.13 GiB  ░ overhead 0.50 GiB"
    assert balance(gpu) == "10.08 GiB of 12.00 GiB, 1.92 GiB free"


def test_what_is_over_stands_behind_the_limit(gpu):
    small = replace(gpu, total=6 * GIB)

    assert bar(small, 20) == "█" * 11 + "|" + "█" * 5 + "▓" * 3 + "░"
    assert balance(small) == "10.08 GiB of 6.00 GiB, 4.08 GiB over"


def test_what_others_use_comes_first_and_is_not_planned(host):
    assert bar(host, 32) == "╱" * 6 + "█" + "·" * 25 + "|"
    assert balance(host) == "0.56 GiB of 13.00 GiB, 12.44 GiB free"


def test_a_plain_terminal_gets_ascii(gpu, host):
    assert (bar(gpu, plain=True) + legend(gpu, plain=True) + bar(host, plain=True)).isascii()


def test_a_legend_of_little_things_has_no_zero():
    tiny = Account("host", "host", GIB, (Entry("kv_cache", 3 << 20, "", "exact"),))

    assert legend(tiny) == "▓ kv 0.0029 GiB"


@pytest.mark.parametrize("total", [0, GIB])
def test_an_empty_device(total):
    assert bar(Account("gpu0", "gpu", total), 8) == ("·" * 8 + "|" if total else "|")
    assert legend(Account("gpu0", "gpu", total)) == ""


SIZES = st.integers(0, 1 << 36)


@given(SIZES, SIZES, SIZES, SIZES, st.integers(1, 200))
def test_a_bar_has_its_width_and_shows_whether_it_holds(total, weights, kv, used, width):
    account = Account(
        "gpu0",
        "gpu",
        total,
        (
            Entry("weights", weights, "", "exact"),
            Entry("kv_cache", kv, "", "exact"),
            Entry("desktop", used, "", "measured"),
        ),
    )
    drawn = bar(account, width)

    assert len(drawn.replace("|", "")) == (width if total or weights or kv or used else 0)
    assert drawn.endswith("|") == (account.headroom >= 0)
