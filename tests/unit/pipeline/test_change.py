"""What blocks make of files: which lines, which bytes, and why not."""

import codecs

import pytest

from aidx.pipeline.edit.blocks import parse
from aidx.pipeline.edit.change import change


def block(path, search, new):
    return f"{path}\n<<<<<<< SEARCH\n{search}=======\n{new}>>>>>>> REPLACE\n"


def apply(answer, **files):
    return change(parse(answer), {name.replace("_", "."): data for name, data in files.items()})


def edited(search, new, before, path="a.txt"):
    result = change(parse(block(path, search, new)), {path: before})
    assert result.refused == ()
    return result.files[path]


def refused(search, new, before, path="a.txt"):
    result = change(parse(block(path, search, new)), {path: before})
    assert result.files == {} or result.refused
    return [item.reason for item in result.refused]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\nb\nc\n", b"a\nX\nc\n"),
        (b"a\r\nb\r\nc\r\n", b"a\r\nX\r\nc\r\n"),
        (b"a\rb\rc\r", b"a\rX\rc\r"),
        (b"a\nb\nc", b"a\nX\nc"),
        (b"a\nb", b"a\nX"),
        (codecs.BOM_UTF8 + b"a\nb\n", codecs.BOM_UTF8 + b"a\nX\n"),
        (codecs.BOM_UTF16_LE + "a\nb\n".encode("utf-16-le"), codecs.BOM_UTF16_LE + "a\nX\n".encode("utf-16-le")),
        (b"\xe9\nb\n", b"\xe9\nX\n"),
        (b"# coding: cp1252\nb\n\x80\n", b"# coding: cp1252\nX\n\x80\n"),
        (b"a\x0cz\nb\n", b"a\x0cz\nX\n"),
    ],
)
def test_endings_marks_encodings_and_the_last_line_stay(before, after):
    assert edited("b\n", "X\n", before) == after


def test_mixed_endings_stay_where_they_are():
    assert edited("b\n", "b\nnew\n", b"a\r\nb\nc\r\n") == b"a\r\nb\nnew\r\nc\r\n"


def test_an_empty_search_creates_a_file():
    result = change(parse(block("a.txt", "", "x\n")), {"a.txt": None})

    assert (dict(result.files), result.status) == ({"a.txt": b"x\n"}, {"a.txt": "created"})


def test_lines_can_go():
    assert edited("b\n", "", b"a\nb\nc\n") == b"a\nc\n"


@pytest.mark.parametrize(
    ("search", "before", "path", "reason"),
    [
        ("b\n", b"b\nb\n", "a.txt", "ambiguous"),
        ("z\n", b"b\n", "a.txt", "not_found"),
        ("b\n", None, "a.txt", "not_found"),
        ("", b"b\n", "a.txt", "conflict"),
        ("b\n", b"b\n\0", "a.txt", "binary"),
        ("b\n", b"b = 1\nb\n", "a.py", "syntax"),
        ("b\n", codecs.BOM_UTF8 + b"\xff\nb\n", "a.txt", "encoding"),
        ("f(1)\nx = 2\ng()\n", b"f(1)\nx = 3\ng()\n", "a.txt", "conflict"),
    ],
)
def test_what_cannot_be_applied_says_why(search, before, path, reason):
    assert refused(search, "def (\n", before, path) == [reason]


def test_characters_that_an_unknown_encoding_may_not_mean_are_refused():
    assert refused("b\n", "\u20ac\n", b"\xe9\nb\n") == ["encoding"]


def test_every_refused_block_is_told():
    answer = block("a.txt", "x\n", "y\n") + block("a.txt", "b\n", "c\n") + block("a.txt", "q\n", "r\n")

    found = apply(answer, a_txt=b"b\n").refused

    assert [(item.block, item.reason) for item in found] == [(1, "not_found"), (3, "not_found")]


def test_blocks_see_what_earlier_blocks_made():
    answer = block("a.txt", "a\n", "b\n") + block("a.txt", "b\n", "c\n")

    assert apply(answer, a_txt=b"a\n").files["a.txt"] == b"c\n"


def test_a_heading_that_only_replace_has_is_no_divider():
    answer = "a.rst\n<<<<<<< SEARCH\nOld\n=======\nNew\n=======\n>>>>>>> REPLACE\n"

    assert apply(answer, a_rst=b"Old\ntext\n").files["a.rst"] == b"New\n=======\ntext\n"


def test_a_heading_that_may_divide_in_two_ways_is_refused():
    answer = "a.rst\n<<<<<<< SEARCH\nOld\n=======\n=======\nNew\n=======\n>>>>>>> REPLACE\n"

    assert [item.reason for item in apply(answer, a_rst=b"Old\n=======\ntext\n").refused] == ["ambiguous"]


def test_only_lines_that_differ_are_carried_over():
    before = b"def f():\n    '''It's the file's own line.'''\n    y = 2\n    return y\n"
    search = "def f():\n    '''Its the files own line.'''\n    y = 2\n    return y\n"

    after = edited(search, search.replace("y = 2", "y = 3"), before, "a.py")

    assert after == before.replace(b"y = 2", b"y = 3")


def test_a_misspelt_word_is_not_carried_into_the_file():
    before = b"def f(items):\n    result = compute(items)\n    return result\n"
    search = "def f(items):\n    result = compuet(items)\n    return result\n"

    after = edited(search, search.replace("(items)\n    return", "(items, 2)\n    return"), before, "a.py")

    assert after == before.replace(b"compute(items)", b"compute(items, 2)")


def test_another_name_of_the_file_is_no_slip():
    before = b"item = 1\nitems = [item]\nuse(items)\nuse(item)\nend()\n"

    assert refused("items = [item]\nuse(item)\nuse(item)\n", "items = [item]\nadd(item)\nuse(item)\n", before) == [
        "conflict"
    ]


def test_a_line_that_search_forgot_is_not_lost_and_its_neighbourhood_is_doubt():
    before = b"one()\nforgotten()\nthree()\nfour()\nfive()\n"
    search = "one()\nthree()\nfour()\nfive()\n"

    assert refused(search, "one()\nNEW()\nthree()\nfour()\nfive()\n", before) == ["conflict"]
    assert edited(search, "one()\nthree()\nNEW()\nfour()\nfive()\n", before) == before.replace(
        b"four()", b"NEW()\nfour()"
    )


def test_new_lines_take_the_indentation_of_the_file():
    before = b"class A:\n\tdef f(self):\n\t\treturn 1\n"

    after = edited("    def f(self):\n        return 1\n", "    def f(self):\n        x()\n        return 1\n", before)

    assert after == b"class A:\n\tdef f(self):\n\t\tx()\n\t\treturn 1\n"
