"""Every refusal says at which byte and in which field; everything the format allows is read."""

import math
import struct

import pytest
from tests.gguf_files import (
    ARRAY,
    BOOL,
    F32,
    F32_TYPE,
    F64,
    I32,
    Q4_K_TYPE,
    STRING,
    U8,
    U16,
    U32,
    U64,
    Craft,
    experts,
    plain,
    split_part,
    text,
    with_arrays,
)

from aidx.errors import HeaderError
from aidx.model.gguf import limits
from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_every_array
from aidx.model.spec import Array, Header

KEY_SIZE = 8 + 1 + 4  # length, the one letter of the key "k", type


def read(raw: bytes, file_size: int | None = -1, **options) -> Header:
    reader = Reader(len(raw) if file_size == -1 else file_size, **options)
    reader.feed(raw)
    header = reader.next()
    assert header is not NEED_DATA
    return header


def refusal(raw: bytes, file_size: int | None = -1, **options) -> HeaderError:
    with pytest.raises(HeaderError) as caught:
        read(raw, file_size, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def one(kind: int, value) -> Craft:
    return Craft().pair("k", kind, value)


def test_values_of_every_kind():
    header = read(plain())

    assert header.metadata == {
        "general.architecture": "llama",
        "general.name": "größer",
        "llama.value_0": 255,
        "llama.value_1": -3,
        "llama.value_2": 7,
        "llama.value_3": -7,
        "llama.value_4": 2048,
        "llama.value_5": -1,
        "llama.value_6": 0.5,
        "llama.flag": True,
        "llama.big": 2**63,
        "llama.low": -(2**63),
        "llama.eps": 1e-5,
    }
    assert header.metadata["llama.flag"] is True
    assert header.kinds["llama.value_2"] == U16
    assert header.kinds["llama.eps"] == F64
    assert (header.size, header.alignment, header.version) == (608, 32, 3)
    assert [(tensor.name, tensor.shape, tensor.type.name, tensor.offset) for tensor in header.tensors] == [
        ("token_embd.weight", (32, 16), "f32", 0),
        ("blk.0.attn_norm.weight", (32,), "f32", 2048),
        ("blk.0.ffn_down.weight", (32, 32), "f32", 2176),
    ]


def test_arrays_of_the_tokenizer_are_counted_and_others_kept():
    header = read(with_arrays())

    assert header.alignment == 64
    assert header.metadata["tokenizer.ggml.tokens"] == Array(STRING, 12, None)
    assert header.metadata["tokenizer.ggml.scores"] == Array(F32, 12, None)
    assert header.metadata["gemma3.attention.head_count_kv"] == Array(I32, 4, struct.pack("<4i", 4, 4, 0, 4))
    assert header.metadata["general.tags"] == Array(STRING, 3, text("a") + text("") + text("code"))


def test_arrays_of_the_tokenizer_are_kept_on_request():
    header = read(with_arrays(), keep=keeps_every_array)

    tokens = b"".join(text(f"t{number}") for number in range(12))
    assert header.metadata["tokenizer.ggml.tokens"] == Array(STRING, 12, tokens)
    assert header.metadata["tokenizer.ggml.token_type"] == Array(I32, 12, struct.pack("<12i", *[1] * 12))


def test_versions_2_and_3_and_tensors_of_three_dimensions():
    header = read(experts())

    assert header.version == 2
    assert header.tensors[0].shape == (256, 4, 8)
    assert header.tensors[0].bytes == 4608
    assert read(split_part()).metadata["split.count"] == 3


def test_a_header_alone_is_enough():
    header = read(Craft().file())

    assert (header.metadata, header.tensors, header.size) == ({}, (), 32)


def test_text_that_is_not_utf8_is_replaced():
    assert read(one(STRING, b"a\xffb").file()).metadata == {"k": "a\ufffdb"}


def test_numbers_that_are_not_finite_are_passed_on():
    value = read(one(F32, math.nan).file()).metadata["k"]

    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("raw", "offset", "field", "says"),
    [
        (b"FUGG" + bytes(40), 0, "magic", "big-endian"),
        (b"tjgg" + bytes(40), 0, "magic", "before GGUF"),
        (b"PK\3\4" + bytes(40), 0, "magic", "ZIP"),
        (b"\0\1\2\3" + bytes(40), 0, "magic", r"it starts with '\x00\x01\x02\x03'"),
        (Craft(version=1).file(), 4, "version", "version 1 is not supported, 2 and 3 are"),
        (Craft(version=4).file(), 4, "version", "version 4"),
        (Craft(version=0x03000000).file(), 4, "version", "big-endian"),
        (Craft(tensor_count=2**63).file(), 8, "tensor count", "over the limit of 131072"),
        (Craft(tensor_count=1).file(), 8, "tensor count", "1 cannot fit into the 16 bytes"),
        (Craft(pair_count=65_537).file(), 16, "metadata count", "over the limit of 65536"),
        (Craft(pair_count=1).file(), 16, "metadata count", "1 cannot fit into the 8 bytes"),
    ],
)
def test_a_wrong_beginning(raw, offset, field, says):
    error = refusal(raw)

    assert (error.offset, error.field) == (offset, field)
    assert says in str(error)


@pytest.mark.parametrize(
    ("craft", "offset", "field", "says"),
    [
        (Craft().pair("", U8, 1).pair("other", U8, 1), 24, "key 0", "0 bytes, 1 to 65535"),
        (Craft().pair("k" * 65_536, U8, 1), 24, "key 0", "65536 bytes"),
        (Craft().pair(b"\xff", U8, 1), 24, "key 0", "not UTF-8"),
        (Craft().pair("a\0b", U8, 1), 24, "key 0", "NUL"),
        (Craft().pair("k", U8, 1).pair("k", U8, 2), 24 + KEY_SIZE + 1, "key 1", "duplicate key 'k'"),
        (Craft().raw_pair("k", 13, b"\0"), 24 + 9, "type of 'k'", "unknown value type 13"),
        (one(BOOL, b"\2"), 24 + KEY_SIZE, "value of 'k'", "a bool is 0 or 1, not 2"),
        (Craft().raw_pair("k", STRING, text("abc", length=2**24 + 1)), 24 + 13, "value of 'k'", "over the limit"),
        (Craft().raw_pair("k", STRING, text("abc", length=4)), 24 + 21, "value of 'k'", "4 bytes needed, 3 left"),
        (Craft().raw_pair("k", U64, b"1234567"), 24 + 13, "value of 'k'", "8 bytes needed, 7 left"),
        (Craft().raw_pair("k", ARRAY, b"\4\0\0\0"), 24 + 13, "array 'k'", "12 bytes needed, 4 left"),
    ],
)
def test_a_wrong_pair(craft, offset, field, says):
    error = refusal(craft.header())

    assert (error.offset, error.field) == (offset, field)
    assert says in str(error)


@pytest.mark.parametrize(
    ("craft", "offset", "says"),
    [
        (Craft().array("k", ARRAY, ()), 37, "an array of arrays"),
        (Craft().array("k", 99, ()), 37, "unknown item type 99"),
        (Craft().array("k", U8, [1, 2], count=3), 41, "3 items of u8 are impossible here: 2 bytes are left"),
        (Craft().array("k", U32, [1, 2], count=2**62), 41, "impossible"),
        (Craft().array("k", STRING, ["ab"], count=2), 41, "2 items of string are impossible here: 10 bytes"),
        (Craft().array("k", BOOL, [1, 0, 5]), 49 + 2, "a bool is 0 or 1, not 5"),
    ],
)
def test_a_wrong_array(craft, offset, says):
    error = refusal(craft.header())

    assert (error.offset, error.field) == (offset, "array 'k'")
    assert says in str(error)


def string_array(key: str, *strings: bytes) -> bytes:
    head = struct.pack("<IQ", STRING, len(strings))
    return Craft().raw_pair(key, ARRAY, head + b"".join(strings)).header()


@pytest.mark.parametrize("key", ["k", "tokenizer.ggml.tokens"])
def test_a_wrong_string_in_an_array_kept_or_skipped(key):
    start = 24 + 8 + len(key) + 4 + 12

    too_long = refusal(string_array(key, text("ab"), text("cd", length=2**24 + 1)))
    past_the_end = refusal(string_array(key, text("ab"), text("cd", length=3)))
    no_length = refusal(string_array(key, text("0123456789"), text(""), b"1234567"))

    assert (too_long.offset, too_long.field) == (start + 10, f"array {key!r}")
    assert "over the limit of 16777216" in str(too_long)
    assert past_the_end.offset == start + 10
    assert "11 bytes needed, 10 left" in str(past_the_end)
    assert no_length.offset == start + 26
    assert "8 bytes needed, 7 left" in str(no_length)


def test_the_hostile_array_of_192_bytes():
    """It makes ``gguf.GGUFReader`` 0.19.0 loop for ever."""
    raw = Craft(pair_count=8).array("k", U8, [], count=2**64 - 1).header().ljust(192, b"\0")
    assert len(raw) == 192

    assert refusal(raw).offset == 41
    assert "18446744073709551615 items of u8 are impossible" in str(refusal(raw, None))


@pytest.mark.parametrize(
    ("kind", "value", "offset", "says"),
    [
        (U32, 0, 53, "0 is not a power of two"),
        (U32, 48, 53, "48 is not a power of two"),
        (U32, 2**17, 53, "131072 is not a power of two up to 65536"),
        (U64, 32, 49, "must be a u32, not u64"),
        (F32, math.inf, 49, "must be a u32, not f32"),
        (F32, math.nan, 49, "must be a u32, not f32"),
        (BOOL, 1, 49, "must be a u32, not bool"),
        (STRING, "32", 49, "must be a u32, not string"),
    ],
)
def test_a_wrong_alignment(kind, value, offset, says):
    error = refusal(Craft().pair("general.alignment", kind, value).file())

    assert (error.offset, error.field) == (offset, "value of 'general.alignment'")
    assert says in str(error)


def test_an_array_as_alignment():
    error = refusal(Craft().array("general.alignment", U32, [32]).file())

    assert "must be a u32, not array" in str(error)


@pytest.mark.parametrize(
    ("name", "says"),
    [("", "0 bytes, 1 to 255"), ("n" * 256, "256 bytes"), (b"\xc3", "not UTF-8"), ("a\0", "NUL")],
)
def test_a_wrong_tensor_name(name, says):
    error = refusal(Craft().tensor(name, (4, 1)).file(64))

    assert (error.offset, error.field) == (24, "name of tensor 0")
    assert says in str(error)


TENSOR = 24 + 8 + 1  # where the number of dimensions of a first tensor "t" stands


@pytest.mark.parametrize(
    ("shape", "kind", "offset", "field", "says"),
    [
        ((), F32_TYPE, TENSOR, "dimensions", "0 dimensions, 1 to 4"),
        ((1, 1, 1, 1, 1), F32_TYPE, TENSOR, "dimensions", "5 dimensions"),
        ((4, 0), F32_TYPE, TENSOR + 12, "dimensions", "dimension 1 is 0"),
        ((2**40, 1), F32_TYPE, TENSOR + 4, "dimensions", "dimension 0 is 1099511627776"),
        ((2**32, 2**31), F32_TYPE, TENSOR + 4, "dimensions", "too many"),
        ((2**31, 2**31), F32_TYPE, TENSOR + 4, "dimensions", "too many"),
        ((255,), Q4_K_TYPE, TENSOR + 4, "dimensions", "a row of 255 elements does not divide into q4_K blocks"),
        ((32,), 4, TENSOR + 12, "type", "unknown tensor type 4"),
        ((32, 1), 2**32 - 1, TENSOR + 20, "type", "unknown tensor type 4294967295"),
    ],
)
def test_a_wrong_tensor(shape, kind, offset, field, says):
    error = refusal(Craft().tensor("t", shape, kind).file(64))

    assert (error.offset, error.field) == (offset, f"{field} of tensor 't'")
    assert says in str(error)


def test_tensors_that_share_a_name():
    craft = Craft().tensor("t", (8,)).tensor("t", (8,), offset=32)

    error = refusal(craft.file(64))

    assert (error.offset, error.field) == (craft.at_tensor(1), "name of tensor 1")
    assert "duplicate tensor 't'" in str(error)


@pytest.mark.parametrize(
    ("offsets", "wrong", "says"),
    [
        ((0, 33), 1, "33 is not a multiple of the alignment 32"),
        ((0, 2**64 - 16), 1, "is not a multiple"),
        ((32, 0), 0, "its data overlaps tensor 'b'"),
        ((0, 0), 1, "its data overlaps tensor 'a'"),
        ((0, 64), 1, "its data would end at byte 224 of a file of 192"),
        ((0, 2**64 - 64), 1, "of a file of 192"),
    ],
)
def test_a_wrong_offset(offsets, wrong, says):
    craft = Craft().tensor("a", (8,), offset=offsets[0]).tensor("b", (16,), offset=offsets[1])
    raw = craft.file(96)
    assert len(raw) == 192

    error = refusal(raw)

    assert error.offset == craft.at_tensor(wrong) + 8 + 1 + 4 + 8 + 4
    assert error.field == f"offset of tensor {'ab'[wrong]!r}"
    assert says in str(error)


def test_only_the_size_of_the_file_tells_that_data_are_missing():
    craft = Craft().tensor("a", (8,), offset=0).tensor("b", (16,), offset=32)

    error = refusal(craft.file(95))
    assert "its data would end at byte 192 of a file of 191" in str(error)
    assert "cut short" in error.hint
    assert read(craft.file(96)).tensors[1].bytes == 64
    assert read(craft.header(), None).tensors[1].bytes == 64


def test_gaps_and_any_order_of_data_are_read():
    craft = Craft().tensor("a", (8,), offset=128).tensor("b", (8,), offset=0)

    assert [tensor.offset for tensor in read(craft.file(160)).tensors] == [128, 0]


def test_a_prefix_asks_for_more_and_a_file_that_ends_is_refused():
    raw = plain()

    for size in (0, 3, 4, 23, 24, 100, 575):
        reader = Reader(None)
        reader.feed(raw[:size])
        assert reader.next() is NEED_DATA
        assert reader.needed > 0
        assert "the file ends too early" in str(refusal(raw[:size])) or "cannot fit" in str(refusal(raw[:size]))


def test_a_large_array_is_skipped_or_refused_without_its_bytes():
    size = limits.HEADER_BYTES + 2**30
    skipped = Craft().array("tokenizer.x", U64, [], count=limits.NUMBERS)
    reader = Reader(size)
    reader.feed(Craft(pair_count=9).header() + skipped.pairs[0])
    assert reader.next() is NEED_DATA
    assert reader.needed == 128 * 2**20 + 8  # the array, then the length of the next key

    with pytest.raises(HeaderError, match="16777217 items of u8 are impossible"):
        read(Craft(pair_count=3).array("k", U8, [], count=limits.NUMBERS + 1).header(), size)
    with pytest.raises(HeaderError, match="4194305 items of string are impossible"):
        read(Craft(pair_count=3).array("k", STRING, [], count=limits.STRINGS + 1).header(), size)


def test_a_string_that_leads_over_the_limit_of_a_header(monkeypatch):
    monkeypatch.setattr(limits, "HEADER_BYTES", 80)
    raw = string_array("k", text("ab"), text("", length=40)).ljust(200, b"\0")

    error = refusal(raw)

    assert (error.offset, error.field) == (24 + 13 + 12 + 10, "array 'k'")
    assert "the header is larger than 80 bytes" in str(error)


def test_answers_do_not_change_once_given():
    raw = plain()
    good, bad = Reader(len(raw)), Reader(4)
    good.feed(raw)
    bad.feed(b"nope")

    first = good.next()
    good.feed(b"more")
    assert good.next() is first
    assert good.needed == 0
    for _ in range(2):
        with pytest.raises(HeaderError, match="not a GGUF file"):
            bad.next()
    bad.feed(raw)
    assert bad.needed == 0


def test_needed_is_what_the_next_field_takes():
    reader = Reader(None)
    assert reader.next() is NEED_DATA
    assert reader.needed == 4
    reader.feed(Craft(pair_count=1).header()[:23])
    assert reader.next() is NEED_DATA
    assert reader.needed == 1
    reader.feed(b"\0" + text("a" * 100)[:50])
    assert reader.next() is NEED_DATA
    assert reader.needed == 58


def test_a_long_name_is_shortened_in_messages():
    error = refusal(Craft().raw_pair("k" * 5000, 77, b"\0" * 9).header())

    assert len(str(error)) < 250


def test_bytes_that_were_passed_are_dropped():
    """A skipped array of 64 MiB in pieces of 1 MiB never fills the memory."""
    import tracemalloc

    piece = bytes(1 << 20)
    head = Craft(pair_count=1).array("tokenizer.ggml.x", F64, [], count=8 << 20).header()
    reader = Reader(None)
    reader.feed(head)
    tracemalloc.start()
    for _ in range(64):
        reader.feed(piece)
        header = reader.next()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(header, Header)
    assert peak < 4 << 20
