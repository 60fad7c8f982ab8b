"""Headers of safetensors files: exact, bounded, and refused where they do not fill their file."""

import json
import random
import struct

import pytest
from tests.fakes.checkpoints import header

from aidx.errors import HeaderError
from aidx.model.safetensors.header import LIMIT, Weight, header_size, parse


def made(table, *, pad=0, size=None):
    raw = table if isinstance(table, bytes) else json.dumps(table).encode()
    data = struct.pack("<Q", len(raw) if size is None else size) + raw
    return data, len(data) + pad


def info(dtype="F32", shape=(2, 3), start=0, stop=24):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


def test_a_file():
    data, size = header({"a.weight": (3, 5), "b": (), "c": (0, 4)}, "F16")

    assert header_size(data, size) == len(data)
    assert parse(data, size) == {"a.weight": Weight("F16", (3, 5)), "b": Weight("F16", ()), "c": Weight("F16", (0, 4))}


def test_more_than_the_header_does_no_harm():
    data, size = header({"a": (2,)})

    assert parse(data + b"\xff" * 4, size) == {"a": Weight("BF16", (2,))}


@pytest.mark.parametrize(
    ("data", "size", "says"),
    [
        (b"", 0, "first eight bytes"),
        (b"1234567", 7, "first eight bytes"),
        (*made(b"{}", size=1), "header of 1 bytes"),
        (*made(b"{}", size=LIMIT + 1), "allowed"),
        (*made(b"{}", size=2**63), "allowed"),
        (*made(b"{}", size=3), "header of 3 bytes in a file of 10"),
        (*made(b"not json"), "no safetensors header"),
        (*made(b"[]  "), "no safetensors header"),
        (*made(b'{"a": 3}'), "no safetensors header"),
        (*made(b'{"a": {}}'), "no safetensors header"),
        (*made(b'{"\xff": {}}'), "no safetensors header"),
        (*made(b"[" * 200_000), "no safetensors header"),
        (*made(b'{"a":' * 200_000), "no safetensors header"),
        (*made({"a": info(shape=(-1,))}, pad=24), "no safetensors header"),
        (*made({"a": info(shape=(1,) * 9)}, pad=24), "no safetensors header"),
        (*made({"a": info(shape=(2**60,))}, pad=24), "no safetensors header"),
        (*made({"a": info(dtype="F31")}, pad=24), "unknown type 'F31'"),
        (*made({"a": info(stop=23)}, pad=23), "not where its shape puts it"),
        (*made({"a": info(start=1, stop=25)}, pad=25), "not where its shape puts it"),
        (*made({"a": info(), "b": info()}, pad=24), "not where its shape puts it"),
        (*made({"a": info(), "b": info(start=25, stop=49)}, pad=49), "not where its shape puts it"),
        (*made({"a": info()}, pad=23), "end at 24, the data at 23"),
        (*made({"a": info()}, pad=25), "end at 24, the data at 25"),
    ],
)
def test_a_header_that_is_wrong(data, size, says):
    with pytest.raises(HeaderError, match=says) as caught:
        parse(data, size)
    assert "\n" not in str(caught.value)


def test_whatever_is_changed_is_read_or_refused():
    data, size = header({f"model.layers.{number}.weight": (number + 1, 64) for number in range(8)})
    dice = random.Random(7)
    for _ in range(3000):
        broken = bytearray(data)
        for _ in range(dice.choice((1, 2, 5))):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        try:
            found = parse(bytes(broken), size)
        except HeaderError:
            continue
        assert sum(weight.elements for weight in found.values()) * 2 == size - header_size(bytes(broken), size)
