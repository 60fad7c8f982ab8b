"""What counts as a block, and where its path is found."""

import pytest

from aidx.pipeline.edit.blocks import parse

BODY = "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n"


@pytest.mark.parametrize(
    ("above", "path"),
    [
        ("app/x.py\n", "app/x.py"),
        ("app/x.py\n```python\n", "app/x.py"),
        ("```app/x.py\n", "app/x.py"),
        ("```python app/x.py\n", "app/x.py"),
        ("**app/x.py**\n", "app/x.py"),
        ("`app/x.py`:\n", "app/x.py"),
        ("### File: app/x.py\n", "app/x.py"),
        ("File: `app/x.py`\n```\n", "app/x.py"),
        ("Now `app/my file.py` changes:\n", "app/my file.py"),
        ("Sure!\r\n\r\napp/x.py\r\n", "app/x.py"),
    ],
)
def test_the_path_stands_above_the_block(above, path):
    (block,) = parse(above + BODY)

    assert (block.path, block.problem) == (path, "")
    assert block.readings == ((("a",), ("b",)),)


def test_a_block_without_a_path_belongs_to_the_file_before():
    first, second = parse(f"x.py\n{BODY}\n{BODY}")

    assert (first.number, first.path, second.number, second.path) == (1, "x.py", 2, "x.py")


def test_a_line_of_equals_signs_may_be_the_divider_or_not():
    (block,) = parse("a.rst\n<<<<<<< SEARCH\nTitle\n=======\n=======\nName\n=======\n>>>>>>> REPLACE\n")

    assert len(block.readings) == 3


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("x.py\n<<<<<<< SEARCH\na\n=======\nb\n", "not closed"),
        ("x.py\n<<<<<<< SEARCH\na\n>>>>>>> REPLACE\n", "no '======='"),
        (BODY, "no file name"),
        (f"x.py\n<<<<<<< SEARCH\na\n{BODY}", "not closed"),
    ],
)
def test_a_broken_block_says_what_is_missing(answer, problem):
    assert problem in parse(answer)[0].problem


def test_text_without_blocks_has_none():
    assert parse("a < b\n=======\n>>>>>>> REPLACE\n") == ()
