"""The fifth scene's stage: a little repository, its tests, and two plans that a person wrote by hand."""

from collections.abc import Mapping
from typing import Final

FILES: Final[Mapping[str, str]] = {
    "prices.py": '''\
"""Prices of a small shop."""


def tax(amount, rate=7):
    if amount < 0:
        return 0
    return amount * rate // 100


def total(rows, currency):
    amount = 0
    for row in rows:
        amount += row
    return f"{amount} {currency}"
''',
    "test_prices.py": '''\
"""What the shop relies on."""

import unittest

from prices import tax, total


class Prices(unittest.TestCase):
    def test_tax(self):
        self.assertEqual((tax(100), tax(200, 7), tax(-1)), (19, 14, 0))

    def test_total(self):
        self.assertEqual(total([1, 2]), "3 EUR")
''',
    "test_unit.py": '''\
"""What the shop will rely on: a total says what it counts."""

import unittest

from prices import total


class Unit(unittest.TestCase):
    def test_named(self):
        self.assertEqual(total([1, 2], unit="pieces"), "3 pieces")
''',
}
RIGHT: Final = """\
# Plan: the new rate of tax, and a usual currency

Other rates and currencies are still given by callers.

## Files
- `prices.py` (edit)

## Steps
1. `prices.py::tax`: Set the default of rate to 19.
2. `prices.py::tax`: The function returns int, annotate it.
3. `prices.py::total`: Set the default of currency to 'EUR'.
4. `prices.py::total`: Add the docstring "Sum the rows."

## Checks
- prices

## Commit
feat(prices): charge 19 percent, in euros
"""
WRONG: Final = """\
# Plan: totals of anything

## Files
- `prices.py` (edit)

## Steps
1. `prices.py::total`: Rename the parameter currency to unit.

## Checks
- prices
- unit

## Commit
feat(prices): total anything
"""
PLANS: Final = (RIGHT, WRONG)


def checks(python: str) -> dict[str, tuple[str, ...]]:
    """What stands under ``[checks]`` there; *python* is the interpreter."""
    run = (python, "-B", "-m", "unittest", "-q")
    return {"prices": (*run, "test_prices"), "unit": (*run, "test_unit")}
