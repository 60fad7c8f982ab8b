"""Importance matrices: both formats say the same, another model's is refused, and what is broken is said."""

import struct
from array import array

import pytest
from tests.gguf_files import F32_TYPE, STRING, U32, Craft

from aidx.errors import InputError
from aidx.model.quants.imatrix import Imatrix, parse
from aidx.model.tensor import TYPES, Tensor

MEANS = {"blk.0.attn_q.weight": (0.5, 2.0, 8.0, 4.0), "blk.0.ffn_up.weight": (1.0, 3.0, 5.0, 7.0)}
CALLS, CHUNKS, DATASET = 4, 7, "some code.txt"


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def legacy(entries=MEANS, *, tail=True):
    """As ``llama-imatrix`` wrote it before 2025: sums over calls, then chunks and the name of the text."""
    raw = struct.pack("<i", len(entries))
    for name, means in entries.items():
        raw += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", CALLS, len(means))
        raw += floats(*(CALLS * mean for mean in means))
    if tail:
        raw += struct.pack("<ii", CHUNKS, len(DATASET)) + DATASET.encode()
    return raw


def modern(entries=MEANS, counts=(CALLS,), kind="imatrix", leave=""):
    """As it writes it now: a GGUF file with sums of squares and counts, 32 bytes between tensors."""
    craft = Craft().pair("general.type", STRING, kind).array("imatrix.datasets", STRING, [DATASET])
    craft.pair("imatrix.chunk_count", U32, CHUNKS)
    data = b""
    for name, means in entries.items():
        for part, shape, values in (
            ("in_sum2", (len(means) // len(counts), len(counts)), [CALLS * mean for mean in means]),
            ("counts", (1, len(counts)), counts),
        ):
            if part != leave:
                craft.tensor(f"{name}.{part}", shape, F32_TYPE, len(data))
                data += floats(*values).ljust(32, b"\0")
    return craft.file() + data


@pytest.mark.parametrize("raw", [legacy(), modern()], ids=["legacy", "gguf"])
def test_both_formats_say_the_same(raw):
    found = parse(raw, "m.dat")

    assert {name: tuple(values) for name, values in found.entries.items()} == MEANS
    assert (found.dataset, found.chunks) == (DATASET, CHUNKS)
    assert found.metadata == {
        "quantize.imatrix.file": "m.dat",
        "quantize.imatrix.dataset": DATASET,
        "quantize.imatrix.entries_count": 2,
        "quantize.imatrix.chunks_count": CHUNKS,
    }


def test_a_file_from_before_2024_names_no_text():
    found = parse(legacy(tail=False), "m.dat")

    assert (found.dataset, found.chunks) == ("", 0)
    assert found.metadata == {"quantize.imatrix.file": "m.dat", "quantize.imatrix.entries_count": 2}


def test_an_expert_that_was_never_used_counts_evenly():
    found = parse(modern({"x": (1.0, 2.0, 3.0, 4.0)}, counts=(CALLS, 0)), "m")

    assert tuple(found.entries["x"]) == (1.0, 2.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "cut off at byte 0"),
        (struct.pack("<i", 0), "not an importance matrix"),
        (struct.pack("<i", 1 << 20), "not an importance matrix"),
        (legacy()[:-20], "cut off"),
        (struct.pack("<ii", 1, -5), "cut off at byte 8"),
        (legacy({"x": ()}), "'x' has no values"),
        (legacy({"x": (float("nan"),)}), "'x' holds values that are no numbers"),
        (legacy({"x": (float("inf"),)}), "'x' holds values that are no numbers"),
        (modern(kind="model"), "general.type is not 'imatrix'"),
        (modern(leave="counts"), "has no counts"),
        (modern({}), "without entries"),
        (modern()[:-80], "m.dat: "),
    ],
    ids=range(12),
)
def test_what_is_broken_is_said_in_one_line(raw, words):
    with pytest.raises(InputError) as caught:
        parse(raw, "m.dat")

    assert str(caught.value).startswith("m.dat: ")
    assert words in str(caught.value)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def tensor(name, *shape):
    return Tensor(name, shape, TYPES["f32"])


def test_another_model_s_is_refused_and_a_tensor_without_one_is_not():
    found = Imatrix("m", {"a": array("f", [1.0] * 8), "token_embd.weight": array("f", [1.0])})

    assert len(found.of(tensor("a", 8, 3))) == 8
    assert len(found.of(tensor("a", 4, 3, 2))) == 8, "two matrices of four columns"
    assert found.of(tensor("b", 8, 3)) is None
    assert found.of(tensor("token_embd.weight", 8, 3)) is None, "llama-quantize passes over this one"
    with pytest.raises(InputError, match="'a' has 8 columns there and 4 in the model"):
        found.of(tensor("a", 4, 3))
