"""What is taken from a program that edited by itself."""

import pytest

from aidx.pipeline.artifact.plan import Step
from aidx.pipeline.handing import judged
from aidx.ports.programs import Worked

STEP = Step("a.py", None, "Do.")
BEFORE = b"a = 1\nb = 2\n"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "not_found"),
        ({"a.py": BEFORE}, "not_found"),
        ({"a.py": None}, "not_found"),
        ({"a.py": b"a = 2\n", "b.py": b"x"}, "not_allowed"),
        ({"b.py": None}, "not_allowed"),
        ({"a.py": b"a = (\n"}, "syntax"),
        ({"a.py": b"\0"}, "binary"),
    ],
)
def test_what_is_not_taken(files, reason):
    found = judged(STEP, BEFORE, Worked(files, "said\nlast words\n"))

    assert [item.reason for item in found] == [reason]


def test_the_new_bytes_are_taken_as_they_are():
    assert judged(STEP, BEFORE, Worked({"a.py": b"a = 3\nb = 2\n"}, "")) == b"a = 3\nb = 2\n"
    assert judged(STEP, None, Worked({"a.py": b"a = 3\n"}, "")) == b"a = 3\n"


def test_line_endings_that_were_all_replaced_come_back():
    before = b"\xef\xbb\xbfa = 1\r\nb = 2\r\n"

    assert (
        judged(STEP, before, Worked({"a.py": b"\xef\xbb\xbfa = 1\nb = 3\n"}, "")) == b"\xef\xbb\xbfa = 1\r\nb = 3\r\n"
    )
    mixed = b"a = 1\r\nb = 2\n"
    assert judged(STEP, mixed, Worked({"a.py": b"a = 1\nb = 3\n"}, "")) == b"a = 1\nb = 3\n"
