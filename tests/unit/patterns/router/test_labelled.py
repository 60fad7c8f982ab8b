import pytest

from aidx.errors import InputError
from aidx.patterns.router.labelled import LONGEST, contradictions, parse

TWO = b'{"prompt": "hi", "label": "simple"}\n{"prompt": "plan it", "label": "complex"}\n'


def told(data):
    return [(row.prompt, row.label, row.line) for row in parse(data, "f")]


@pytest.mark.parametrize(
    "data",
    [
        TWO,
        b"\xef\xbb\xbf" + TWO,
        TWO.replace(b"\n", b"\r\n"),
        b"prompt,label\nhi,simple\nplan it,complex\n",
        b"\xef\xbb\xbflabel,prompt,more\r\nsimple,hi,x\r\ncomplex,plan it,y\r\n",
        b" label , prompt\nsimple,hi\n complex ,plan it\n",
    ],
)
def test_json_lines_and_csv_say_the_same(data):
    assert [row[:2] for row in told(data)] == [("hi", "simple"), ("plan it", "complex")]


def test_empty_lines_count_and_say_nothing():
    assert [row[2] for row in told(b"\n" + TWO.replace(b"\n", b"\n\n"))] == [2, 4]


def test_a_prompt_of_several_lines_in_csv():
    found = told(b'prompt,label\n"one\ntwo, ""three""",simple\nx,complex\n')
    assert found == [('one\ntwo, "three"', "simple", 2), ("x", "complex", 4)]


def test_a_line_separator_within_json_is_no_end_of_a_line():
    assert told('{"prompt": "a\u2028b", "label": "simple"}\n'.encode() + TWO)[0][0] == "a\u2028b"


def test_groups_and_tokens_are_read():
    one, other = parse(
        b'{"prompt": "a", "label": "simple", "group": "g", "prompt_tokens": 7, "completion_tokens": 2}\n'
        b'{"prompt": "b", "label": "complex", "other": [1]}',
        "f",
    )
    assert (one.group, one.prompt_tokens, one.completion_tokens) == ("g", 7, 2)
    assert (other.group, other.prompt_tokens) == ("line 2", None)
    assert parse(b"prompt,label,group,prompt_tokens\na,simple,g,7\nb,complex,,\n", "f")[0].prompt_tokens == 7


WRONG = [
    (b"", "f has no prompts"),
    (b"\n \n", "f has no prompts"),
    (b"prompt,label\n", "f has no prompts"),
    (TWO[:36], "f: all 1 prompts are labelled simple: nothing can be told apart"),
    (
        TWO + b'{"prompt": "x", "label": "complx"}',
        r"f:3: label 'complx' is neither simple nor complex \(nearest: complex\)",
    ),
    (TWO + b'{"prompt": "x", "label": "Simple"}', r"f:3: label 'Simple' .* \(nearest: simple\)"),
    (TWO + b'{"prompt": "x", "label": "42"}', "f:3: label '42' is neither simple nor complex$"),
    (TWO + b'{"prompt": "x"}', "f:3: object missing required field label"),
    (TWO + b'{"label": "simple"}', "f:3: object missing required field prompt"),
    (TWO + b'{"prompt": 7, "label": "simple"}', r"f:3: expected str, got int - at \$.prompt"),
    (TWO + b'{"prompt": "x", "label": "simple", "prompt_tokens": -1}', "f:3: -1 tokens are none"),
    (TWO + b'{"prompt": " ", "label": "simple"}', "f:3: the prompt is empty"),
    (TWO + b'["x", "simple"]', "f:3: expected object, got array"),
    (TWO + b'{"prompt": "x", ', "f:3: no JSON object: "),
    (TWO + b'{"prompt": "\xff", "label": "simple"}', "f:3: byte 90 is not UTF-8"),
    (TWO.decode().encode("utf-16"), "f is UTF-16, not UTF-8"),
    (b'{"prompt": "' + b"x" * LONGEST + b'", "label": "simple"}\n' + TWO, "f:1: a line of 1,048,"),
    (b"hi,simple\nplan,complex\n", "f:1: the first line must name the columns prompt and label once each; it has: hi"),
    (b"prompt,label,label\n", "f:1: the first line must name"),
    (b"prompt,label\na,simple\nb\n", "f:3: 1 cells under 2 columns"),
    (b'prompt,label\na,simple\n"b,complex\n', "f:3: no CSV: unexpected end of data"),
    (b"prompt,label\n" + b"x" * 200_000 + b",simple\n", r"f:2: no CSV: field larger than field limit"),
    (b"prompt,label,prompt_tokens\na,simple,many\n", "f:2: prompt_tokens: 'many' is no count"),
    (b"prompt,label\n,simple\n", "f:2: the prompt is empty"),
    (b"\x00\x01", "f:1: the first line must name"),
]


@pytest.mark.parametrize(("data", "says"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_what_is_wrong_is_said_with_its_line(data, says):
    with pytest.raises(InputError, match=f"^{says}") as wrong:
        parse(data, "f")
    assert wrong.value.hint
    assert wrong.value.exit_code == 2
    assert len(str(wrong.value)) < 300


def test_equal_prompts_with_different_labels_are_found():
    rows = parse(TWO + b'{"prompt": "hi", "label": "complex"}\n{"prompt": "hi", "label": "simple"}', "f")
    assert contradictions(rows) == [(1, 3)]
