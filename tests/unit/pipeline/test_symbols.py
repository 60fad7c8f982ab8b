"""Symbols by their dotted name, and the outline of what stands beside them."""

import pytest

from aidx.errors import InputError
from aidx.pipeline.context.symbols import find, outline, symbols

SOURCE = '''import os
from sys import argv


@cache
def first(a):
    return a


class Report:
    """A report."""

    def total(self):
        def inner():
            pass

        return inner

    if os.name == "nt":
        async def later(self):
            pass


def twice():
    pass


def twice():
    pass
'''


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("first", 5, 7),
        ("Report", 10, 21),
        ("Report.total", 13, 17),
        ("Report.total.inner", 14, 15),
        ("Report.later", 20, 21),
    ],
)
def test_a_symbol_is_found_with_its_decorators(name, first, last):
    found = find("x.py", SOURCE, name)

    assert (found.first, found.last) == (first, last)


def test_every_symbol_is_listed_in_order():
    names = [symbol.name for symbol in symbols("x.py", SOURCE)]

    assert names == ["first", "Report", "Report.total", "Report.total.inner", "Report.later", "twice", "twice"]


@pytest.mark.parametrize(
    ("path", "source", "name", "told", "hint"),
    [
        ("x.py", SOURCE, "Report.totl", "has no symbol Report.totl", "Report.total"),
        ("x.py", SOURCE, "twice", "defines twice 2 times", "whole file"),
        ("x.js", SOURCE, "first", "Python files only", "whole file"),
        ("x.py", "def (", "f", "line 1 is no valid Python", "Mend"),
    ],
)
def test_what_is_not_found_says_why(path, source, name, told, hint):
    with pytest.raises(InputError) as caught:
        find(path, source, name)

    assert told in str(caught.value)
    assert hint in caught.value.hint


def test_an_outline_has_imports_and_heads_of_the_rest():
    told = outline("x.py", SOURCE, without=find("x.py", SOURCE, "Report.total"))

    assert told.splitlines() == [
        "import os",
        "from sys import argv",
        "def first(a):",
        "class Report:",
        "        async def later(self):",
        "def twice():",
        "def twice():",
    ]
