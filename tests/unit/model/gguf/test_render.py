"""A header that is written again is the same, byte for byte."""

import pytest
from msgspec.structs import replace
from tests.gguf_files import BOOL, F32, F64, I32, I64, SEEDS, STRING, U16, U32, U64, Craft, plain, with_arrays

from aidx.errors import InputError
from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_every_array
from aidx.model.gguf.render import data_size, kind_of, lay_out, render, render_header
from aidx.model.spec import Array, Header
from aidx.model.tensor import TYPES, Tensor


def read(raw: bytes, **options) -> Header:
    reader = Reader(None, **options)
    reader.feed(raw)
    header = reader.next()
    assert header is not NEED_DATA
    return header


@pytest.mark.parametrize("make", SEEDS)
def test_the_same_bytes(make):
    raw = make()
    header = read(raw, keep=keeps_every_array)

    written = render_header(header)

    assert len(written) == header.size
    assert written[8:] == raw[8 : header.size]
    assert written[:8] == b"GGUF\3\0\0\0"
    assert len(raw) == header.size + data_size(header.tensors, header.alignment)


def test_what_nobody_says_the_kind_of_is_written_as_the_engine_asks_for_it():
    values = {"a": 1, "b": -1, "c": 2**32, "d": -(2**31) - 1, "e": 0.5, "f": True, "g": "text"}
    craft = Craft().pair("a", U32, 1).pair("b", I32, -1).pair("c", U64, 2**32).pair("d", I64, -(2**31) - 1)
    craft.pair("e", F32, 0.5).pair("f", BOOL, 1).pair("g", STRING, "text")

    assert render(values, ()) == craft.file()


def test_kinds_are_kept():
    craft = Craft().pair("split.no", U16, 1).pair("x", F64, 0.1)

    assert render({"split.no": 1, "x": 0.1}, (), kinds={"split.no": U16, "x": F64}) == craft.file()


def test_kind_of_an_array():
    assert kind_of(Array(U32, 0, b"")) == 9


def test_tensors_are_laid_out_without_gaps():
    q4_0, f32 = TYPES["q4_0"], TYPES["f32"]
    tensors = (Tensor("a", (32, 3), q4_0), Tensor("b", (5,), f32), Tensor("c", (1,), f32))

    placed = lay_out(tensors)

    assert [tensor.offset for tensor in placed] == [0, 64, 96]
    assert data_size(placed) == 128
    assert [tensor.offset for tensor in lay_out(tensors, 256)] == [0, 256, 512]
    assert data_size(tensors, 256) == 768


@pytest.mark.parametrize(
    ("metadata", "kinds", "says"),
    [
        ({"k": 256}, {"k": 0}, "'k' = '256' cannot be written as u8"),
        ({"k": 0.5}, {"k": U32}, "cannot be written as u32"),
        ({"k": "text"}, {"k": U32}, "cannot be written as u32"),
        ({"k": 1}, {"k": STRING}, "cannot be written as string"),
        ({"k": 1}, {"k": 99}, "cannot be written as kind 99"),
        ({"k": 1e300}, {}, "cannot be written as f32"),
        ({"k": 2**64}, {}, "cannot be written as u64"),
        ({"k": -(2**63) - 1}, {}, "cannot be written as i64"),
        ({"k": "\ud800"}, {}, "cannot be written as UTF-8"),
        ({"k": Array(8, 5, None)}, {}, "array 'k' was skipped by the reader"),
    ],
)
def test_what_cannot_be_written(metadata, kinds, says):
    with pytest.raises(InputError, match=says):
        render(metadata, (), kinds=kinds)


def test_an_alignment_that_the_metadata_contradict():
    assert len(render({"general.alignment": 64}, (), 64)) == 64
    for metadata, alignment in (({}, 64), ({"general.alignment": 64}, 32)):
        with pytest.raises(InputError, match="is asked for, and the metadata say"):
            render(metadata, (), alignment)


def test_a_tokenizer_that_was_skipped_has_to_be_left_out():
    header = read(with_arrays())
    with pytest.raises(InputError, match="was skipped"):
        render_header(header)

    slim = {key: value for key, value in header.metadata.items() if not key.startswith("tokenizer.")}
    again = read(render_header(replace(header, metadata=slim)))

    assert again.metadata == slim
    assert again.tensors == header.tensors


def test_the_header_of_a_file_is_the_start_of_the_file():
    raw = plain()

    assert raw.startswith(render_header(read(raw)))
