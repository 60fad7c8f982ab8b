"""Line edits: what is shown, what is applied, and everything else that is refused."""

import pytest

from aidx.pipeline.edit import lines
from aidx.pipeline.edit.syntax import worsened

SOURCE = "def f(a):\n    b = a\n    return b"


def test_the_model_is_shown_two_digits():
    assert lines.number(SOURCE) == "01|def f(a):\n02|    b = a\n03|    return b"


def test_a_hundred_lines_need_three_digits():
    shown = lines.number("x\n" * 100).split("\n")

    assert (shown[0], shown[99], len(shown)) == ("001|x", "100|x", 100)


def test_line_endings_are_not_shown():
    assert lines.number("a\r\nb\r\n") == "01|a\n02|b"


@pytest.mark.parametrize(
    ("answer", "edited"),
    [
        ("01|def g(a):", "def g(a):\n    b = a\n    return b"),
        ("01+|    '''Say b.'''", "def f(a):\n    '''Say b.'''\n    b = a\n    return b"),
        ("02-|", "def f(a):\n    return b"),
        ("03-|", "def f(a):\n    b = a"),
        ("03+|    pass", "def f(a):\n    b = a\n    return b\n    pass"),
        ("00+|@cache", "@cache\ndef f(a):\n    b = a\n    return b"),
        ("01+|    x\n01+|    y", "def f(a):\n    x\n    y\n    b = a\n    return b"),
        ("01|def g(a):\n01+|    x\n", "def g(a):\n    x\n    b = a\n    return b"),
        ("02-|\n02+|    c = a", "def f(a):\n    c = a\n    return b"),
        ("02|    b = 1 | 2", "def f(a):\n    b = 1 | 2\n    return b"),
        ("01-|\n02-|\n03-|", ""),
    ],
)
def test_edits_are_applied(answer, edited):
    assert lines.apply(SOURCE, answer) == edited


@pytest.mark.parametrize(
    ("source", "answer", "edited"),
    [
        ("a\r\nb\r\n", "01|x\n01+|y", "x\r\ny\r\nb\r\n"),
        ("a\r\nb", "02+|c", "a\r\nb\r\nc"),
        ("a\nb\n", "02+|c", "a\nb\nc\n"),
        ("a\nb\n", "02-|", "a\n"),
        ("a\r\nb\nc\r\n", "02+|d\n00+|e", "e\r\na\r\nb\nd\nc\r\n"),
        ("a\rb\r", "01|x", "x\rb\r"),
        ("a", "01+|b", "a\nb"),
        ("", "00+|a", "a\n"),
    ],
)
def test_line_endings_and_the_final_one_are_kept(source, answer, edited):
    assert lines.apply(source, answer) == edited


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        ("", "empty", "empty"),
        ("\n", "empty", "empty"),
        ("01|a\n\n", "malformed", "''"),
        ("Sure! Here you go:", "malformed", "'Sure! Here you go:'"),
        ("```\n01|a\n```", "malformed", "'```'"),
        ("1|a", "malformed", "'1|a'"),
        ("01 |a", "malformed", "'01 |a'"),
        ("01|a\r\n", "malformed", r"'01|a\r'"),
        ("٠١|a", "malformed", "is not a line edit"),
        ("01-|a", "malformed", "has text"),
        ("04|a", "unknown_line", "no line 4 (1 to 3 were sent)"),
        ("00|a", "unknown_line", "no line 0"),
        ("00-|", "unknown_line", "no line 0"),
        ("04+|a", "unknown_line", "no line 4"),
        ("9" * 5000 + "|a", "malformed", "999"),
        ("01|a\n01|b", "conflict", "line 1 is changed twice"),
        ("01|a\n01-|", "conflict", "line 1 is changed twice"),
        ("01-|\n01-|", "conflict", "line 1 is changed twice"),
    ],
)
def test_everything_else_is_refused_with_its_reason(answer, reason, told):
    with pytest.raises(lines.RefusedEditsError) as refused:
        lines.apply(SOURCE, answer)

    assert reason in {refusal.reason for refusal in refused.value.refusals}
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 5


def test_every_refusal_is_reported_with_its_row():
    with pytest.raises(lines.RefusedEditsError) as refused:
        lines.apply(SOURCE, "01|a\nhello\n09-|\n01|b")

    assert [(item.row, item.reason) for item in refused.value.refusals] == [
        (2, "malformed"),
        (3, "unknown_line"),
        (4, "conflict"),
    ]


def test_parse_reads_edits_without_a_source():
    assert lines.parse("01|a\n12+|b\n03-|\n") == (
        lines.Edit(1, "replace", "a"),
        lines.Edit(12, "insert", "b"),
        lines.Edit(3, "delete"),
    )


def test_parse_refuses_too():
    with pytest.raises(lines.RefusedEditsError, match="line 2 of the answer: 'b' is not a line edit"):
        lines.parse("01|a\nb")


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("x = 1", "x = 2", None),
        ("x = 1", "x = (", "line 1: '(' was never closed"),
        ("x = (", "x = ((", None),
        ("x = (", "x = 1", None),
        ("    def f(self):\n        pass", "    def f(self) -> int:\n        pass", None),
        (
            "    def f(self):\n        pass",
            "    def f(self):\n    pass",
            "line 2: expected an indented block",
        ),
        ("x = 1", "x = '\\d'", None),
        ("x = 1", "x = 1\0", "null byte"),
        ("x = 1", "-" * 200_000 + "1", ""),
        ("x = 1\n", "def f(a, a):\n    pass\n", "line 1: duplicate argument 'a'"),
        ("x = 1\n", "x = 1\nreturn x\n", "line 2: 'return' outside function"),
        ("return 1\n", "return 2\n", None),
    ],
)
def test_python_must_not_get_worse(before, after, problem):
    told = worsened("x.py", before, after)

    assert (told is None) == (problem is None)
    assert problem is None or problem in told
