"""Each function by itself, and every line with a word on it in exactly one chunk."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.pipeline.research.chunk import MOST_CHARACTERS, MOST_LINES, chunks
from aidx.ports.retrieval import Definition

SOURCE = '''\
"""Money."""

import os


# Money has a currency.
class Money:
    """An amount."""

    currency = "EUR"

    @property
    def total(self):
        def inner():
            return 1
        return inner()

    # What is left.
    def rest(self):
        return 0

    size = 1


if os.name:
    def late():
        pass
'''


def told(path, text, **more):
    return [(chunk.symbol, chunk.kind, chunk.first, chunk.last) for chunk in chunks(path, text, **more)]


def test_python_is_cut_at_its_functions():
    assert told("a.py", SOURCE) == [
        ("", "text", 1, 5),
        ("Money", "class", 6, 11),
        ("Money.total", "function", 12, 16),
        ("Money.rest", "function", 18, 20),
        ("Money", "class", 21, 22),
        ("", "text", 23, 25),
        ("late", "function", 26, 27),
    ]


def test_a_chunk_holds_its_lines():
    lines = SOURCE.splitlines()

    for chunk in chunks("a.py", SOURCE):
        assert chunk.text == "\n".join(lines[chunk.first - 1 : chunk.last])


def test_markdown_is_cut_at_its_headings_and_not_in_code():
    text = "intro\n# One\na\n```\n# no heading\n```\n## Two #\nb\n"

    assert told("a.md", text) == [("", "text", 1, 1), ("One", "section", 2, 6), ("Two", "section", 7, 8)]


def test_what_is_no_python_is_cut_in_runs_of_lines():
    assert told("a.py", "def f(:\n  x\n") == [("", "text", 1, 2)]


def test_other_languages_are_cut_where_somebody_knows_how():
    class X:
        def version(self, path):
            return "x" if path.endswith(".x") else ""

        def definitions(self, path, text):
            return [Definition("f", "function", 2, 3)] if path.endswith(".x") and "two" in text else None

    outline = X()
    assert told("a.x", "one\ntwo\nthree\nfour\n", outline=outline) == [
        ("", "text", 1, 1),
        ("f", "function", 2, 3),
        ("", "text", 4, 4),
    ]
    assert told("a.y", "one\ntwo\n", outline=outline) == [("", "text", 1, 2)]


def test_a_long_function_is_several_chunks_of_one_symbol():
    body = "".join(f"    x{number} = 1\n{'' if number % 7 else chr(10)}" for number in range(150))
    found = chunks("a.py", f"def f():\n{body}")

    assert len(found) >= 3
    assert {chunk.symbol for chunk in found} == {"f"}
    assert all(chunk.text.endswith("\n") or chunk is found[-1] for chunk in found)  # cut at empty lines


def test_an_endless_line_is_several_chunks():
    found = chunks("a.min.js", "x=1;" * 5000)

    assert "".join(chunk.text for chunk in found) == "x=1;" * 5000
    assert {chunk.first for chunk in found} == {1}


@pytest.mark.parametrize("text", ["", "\n\n", "{}\n();\n"])
def test_a_file_without_words_is_one_empty_chunk(text):
    (chunk,) = chunks("a/__init__.py", text)

    assert (chunk.path, chunk.text, chunk.first) == ("a/__init__.py", "", 1)


LINES = st.sampled_from(
    [
        "def f():",
        "class A:",
        "    def g(self):",
        "        return x",
        "    x = 1",
        "",
        "# c",
        "@d",
        "```",
        "# h",
        "y" * 3000,
    ]
)


@given(st.lists(LINES, max_size=200), st.sampled_from(["a.py", "a.md", "a.txt"]))
def test_every_line_with_a_word_is_in_exactly_one_chunk(lines, path):
    found = chunks(path, "\n".join(lines))
    pieces = [(number, part) for chunk in found for number, part in enumerate(chunk.text.split("\n"), chunk.first)]

    if any(re.search(r"\w", line) for line in lines):
        for number, line in enumerate(lines, 1):
            if re.search(r"\w", line):
                assert "".join(part for place, part in pieces if place == number) == line
    assert all(chunk.last - chunk.first < MOST_LINES and len(chunk.text) <= MOST_CHARACTERS for chunk in found)
