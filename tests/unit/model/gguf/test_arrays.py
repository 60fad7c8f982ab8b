"""Arrays are turned into Python values within bounds."""

import struct

import pytest
from tests.gguf_files import ARRAY, BOOL, F32, F64, I8, I64, STRING, U8, U16, U32, U64, text

from aidx.errors import InputError
from aidx.model.gguf.arrays import decode, encode, integers, raw_strings
from aidx.model.spec import Array


@pytest.mark.parametrize(
    ("array", "items"),
    [
        (Array(U8, 2, b"\x01\xff"), (1, 255)),
        (Array(I8, 2, b"\x01\xff"), (1, -1)),
        (Array(U16, 1, b"\x01\x02"), (513,)),
        (Array(F32, 2, struct.pack("<2f", 0.5, -2.0)), (0.5, -2.0)),
        (Array(F64, 1, struct.pack("<d", 0.1)), (0.1,)),
        (Array(BOOL, 3, b"\0\1\0"), (False, True, False)),
        (Array(I64, 1, struct.pack("<q", -(2**63))), (-(2**63),)),
        (Array(STRING, 3, text("a") + text("") + text("ü")), ("a", "", "ü")),
        (Array(U64, 0, b""), ()),
    ],
)
def test_items(array, items):
    assert decode(array) == items
    assert [type(item) for item in decode(array)] == [type(item) for item in items]
    assert encode(array.kind, items) == array


def test_strings_as_they_stand_in_the_file():
    array = Array(STRING, 2, text(b"\xff") + text("b"))

    assert raw_strings(array) == (b"\xff", b"b")
    assert decode(array) == ("\ufffd", "b")
    assert encode(STRING, raw_strings(array)) == array


def test_integers():
    assert integers(Array(U16, 1, b"\x01\x02")) == (513,)
    assert integers(Array(BOOL, 2, b"\1\0")) == (1, 0)
    with pytest.raises(InputError, match="an array of integers is wanted, not of f32"):
        integers(Array(F32, 1, bytes(4)))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (Array(U32, 3, None), "the 3 items of this array were skipped"),
        (Array(STRING, 3, None), "were skipped"),
        (Array(U32, 2, bytes(7)), "2 u32 does not fill its bytes"),
        (Array(U32, 2, bytes(12)), "does not fill"),
        (Array(STRING, 2, text("a")), "2 string does not fill"),
        (Array(STRING, 1, text("a") + b"b"), "does not fill"),
        (Array(STRING, 1, text("a", length=2)), "does not fill"),
        (Array(STRING, 1, text("a", length=2**64 - 1)), "does not fill"),
        (Array(STRING, 1, b"1234567"), "does not fill"),
        (Array(ARRAY, 1, bytes(8)), "unknown kind 9"),
        (Array(99, 1, bytes(8)), "unknown kind 99"),
        (Array(U8, (1 << 20) + 1, bytes((1 << 20) + 1)), "over the limit of 1048576"),
        (Array(STRING, (1 << 20) + 1, b""), "over the limit of 1048576"),
    ],
)
def test_what_is_refused(array, says):
    with pytest.raises(InputError, match=says):
        decode(array)


def test_only_strings_are_strings():
    for kind in (U8, 99):
        with pytest.raises(InputError, match="an array of strings is wanted"):
            raw_strings(Array(kind, 1, b"a"))


@pytest.mark.parametrize(
    ("kind", "items"),
    [(U8, [256]), (U8, ["a"]), (U32, [0.5]), (STRING, [1]), (STRING, ["\ud800"]), (BOOL, [2]), (ARRAY, [1]), (99, [1])],
)
def test_what_cannot_be_an_array(kind, items):
    with pytest.raises(InputError, match="array of"):
        encode(kind, items)


def test_a_number_too_large_for_its_kind():
    with pytest.raises(InputError, match="not an array of f32"):
        encode(F32, [1e300])
