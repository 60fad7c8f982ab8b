"""Prices as people write them."""

import pytest

from aidx.budget.prices import Price, money, parse_price
from aidx.errors import InputError


@pytest.mark.parametrize(
    ("text", "price"), [("3/15", Price(3, 15)), ("0", Price(0, 0)), ("0.25/1.5", Price(0.25, 1.5))]
)
def test_a_price_is_in_and_out(text, price):
    assert parse_price(text) == price


@pytest.mark.parametrize("text", ["", "3/", "-1", "3/4/5", "nan", "1/inf", "three", "1" * 50])
def test_anything_else_is_none(text):
    with pytest.raises(InputError, match="no price a million tokens"):
        parse_price(text)


def test_a_million_tokens_each_way_cost_both_amounts():
    assert Price(3, 15).of(1_000_000, 1_000_000) == 18
    assert Price(3, 15).of(2000, 100) == pytest.approx(0.0075)


@pytest.mark.parametrize(
    ("amount", "said"), [(0, "0"), (0.0075, "0.0075"), (1.5, "1.5"), (3e-9, "less than 0.000001"), (12, "12")]
)
def test_money_never_looks_like_nothing(amount, said):
    assert money(amount) == said
