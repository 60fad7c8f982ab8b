"""Laws of the header reader: pieces do not matter, what is written is read, another reader agrees."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gguf_files import LETTERS, SEEDS, mutated

from aidx.errors import HeaderError
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_array, keeps_every_array
from aidx.model.gguf.render import data_size, kind_of, lay_out, render, render_header
from aidx.model.spec import Array, Header
from aidx.model.tensor import TYPES, Tensor

RANGES = {0: (0, 8), 1: (-(2**7), 7), 2: (0, 16), 3: (-(2**15), 15), 4: (0, 32), 5: (-(2**31), 31)}
RANGES |= {10: (0, 64), 11: (-(2**63), 63)}
FILES = {make.__name__: make() for make in SEEDS}


def answer(raw: bytes, file_size: int | None, keep, cuts=()) -> object:
    """What the reader says to *raw* cut at *cuts*: a header, ``NEED_DATA``, or where it refuses."""
    reader = Reader(file_size, keep=keep)
    edges = [0, *sorted(cuts), len(raw)]
    said: object = None
    for start, end in pairwise(edges):
        reader.feed(raw[start:end])
        try:
            said = reader.next()
        except HeaderError as error:
            said = (str(error), error.offset, error.field)
    return repr(said)  # nan equals itself there


@given(st.data())
def test_pieces_do_not_matter(data):
    raw = FILES[data.draw(st.sampled_from(sorted(FILES)))]
    if data.draw(st.booleans()):
        raw = mutated(raw, 600, data.draw(st.randoms(use_true_random=False)))
    size = data.draw(st.sampled_from([len(raw), None, len(raw) + 1000]))
    keep = data.draw(st.sampled_from([keeps_array, keeps_every_array]))
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=30))

    assert answer(raw, size, keep, cuts) == answer(raw, size, keep)


@pytest.mark.parametrize("name", FILES)
def test_byte_by_byte(name):
    raw = FILES[name]
    size = len(raw)

    assert answer(raw, size, keeps_every_array, range(1, 1300)) == answer(raw, size, keeps_every_array)


@given(st.sampled_from(sorted(FILES)), st.integers(0, 640))
def test_needed_is_exact(name, fed):
    """Fewer bytes than ``needed`` never help, and so many always let the reader get further."""
    raw = FILES[name]
    reader = Reader(len(raw))
    reader.feed(raw[:fed])
    while reader.next() is NEED_DATA:
        needed = reader.needed
        assert needed > 0
        reader.feed(raw[fed : fed + needed - 1])
        assert reader.next() is NEED_DATA
        assert reader.needed == 1
        reader.feed(raw[fed + needed - 1 : fed + needed])
        fed += needed
    assert fed <= len(raw)


@given(st.sampled_from(sorted(FILES)), st.integers(0, 13_000))
def test_a_whole_file_is_never_asked_for_more(name, size):
    raw = FILES[name][:size]
    said = answer(raw, len(raw), keeps_array)

    assert said != repr(NEED_DATA)


def numbers(kind: int):
    if kind in RANGES:
        low, bits = RANGES[kind]
        return st.integers(low, 2**bits - 1)
    return {6: st.floats(width=32, allow_nan=False), 7: st.booleans(), 12: st.floats(allow_nan=False)}[kind]


texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@st.composite
def values(draw):
    kind = draw(st.sampled_from([*LETTERS, 8]))
    items = texts if kind == 8 else numbers(kind)
    if draw(st.booleans()):
        return 9, encode(kind, draw(st.lists(items, max_size=4)))
    return kind, draw(items)


@st.composite
def tensor(draw, name: str) -> Tensor:
    kind = TYPES[draw(st.sampled_from(sorted(TYPES)))]
    row = kind.block * draw(st.integers(1, 3))
    return Tensor(name, (row, *draw(st.lists(st.integers(1, 4), max_size=3))), kind)


@st.composite
def headers(draw) -> Header:
    pairs = draw(st.dictionaries(names, values(), max_size=6))
    metadata = {key: value for key, (_, value) in pairs.items()}
    kinds = {key: kind for key, (kind, _) in pairs.items() if kind != 9}
    alignment = draw(st.sampled_from([1, 8, 32, 64, 4096]))
    if alignment != 32 or draw(st.booleans()):
        metadata["general.alignment"] = alignment
        kinds["general.alignment"] = 4
    else:
        metadata.pop("general.alignment", None)
        kinds.pop("general.alignment", None)
    tensors = [draw(tensor(name)) for name in draw(st.lists(names, max_size=4, unique=True))]
    placed = lay_out(tensors, alignment)
    size = len(render(metadata, placed, alignment, kinds=kinds))
    return Header(metadata, placed, size, alignment, 3, kinds)


@given(headers())
def test_what_is_written_is_read(header):
    raw = render_header(header)
    reader = Reader(len(raw) + data_size(header.tensors, header.alignment), keep=keeps_every_array)
    reader.feed(raw)

    assert reader.next() == header


@given(st.dictionaries(names, st.one_of(st.integers(-(2**63), 2**64 - 1), st.booleans(), texts), max_size=6))
def test_what_has_no_kinds_is_read_back_too(metadata):
    metadata.pop("general.alignment", None)
    reader = Reader(None)
    reader.feed(render(metadata, ()))

    header = reader.next()

    assert header.metadata == metadata
    assert header.kinds == {key: kind_of(value) for key, value in metadata.items()}


def theirs(path: Path) -> tuple[dict, list, int]:
    """Values and tensors as ``gguf.GGUFReader`` reads them."""
    from gguf import GGUFReader

    reader = GGUFReader(path)
    found = {}
    for key, field in reader.fields.items():
        if not key.startswith("GGUF."):
            found[key] = field.contents()
    tensors = [
        (each.name, tuple(each.shape.tolist()), int(each.tensor_type), each.n_bytes, each.data_offset)
        for each in reader.tensors
    ]
    return found, tensors, reader.data_offset


def check_against_theirs(raw: bytes, path: Path) -> None:
    from aidx.model.gguf.arrays import decode

    path.write_bytes(raw)
    reader = Reader(len(raw), keep=keeps_every_array)
    reader.feed(raw)
    header = reader.next()
    assert isinstance(header, Header)
    found, tensors, data_offset = theirs(path)

    ours = {key: list(decode(value)) if isinstance(value, Array) else value for key, value in header.metadata.items()}
    assert repr(ours) == repr(found)
    assert header.size == data_offset
    assert [
        (each.name, each.shape, each.type.number, each.bytes, header.size + each.offset) for each in header.tensors
    ] == tensors


@pytest.mark.parametrize("name", FILES)
def test_the_gguf_package_reads_the_same(name, tmp_path):
    check_against_theirs(FILES[name], tmp_path / "seed.gguf")


def test_a_file_that_the_gguf_package_wrote(tmp_path):
    import numpy as np
    from gguf import GGUFWriter

    path = tmp_path / "theirs.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_rope_freq_base(10_000.0)
    writer.add_token_list(["<s>", "ä", "b"])
    writer.add_token_scores([0.0, -1.5, -2.0])
    writer.add_token_types([3, 1, 1])
    writer.add_bool("llama.flag", True)
    writer.add_array("llama.attention.head_count_kv", [4, 0, 4])
    writer.add_tensor("token_embd.weight", np.zeros((3, 64), np.float32))
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((8, 64), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    check_against_theirs(path.read_bytes(), tmp_path / "copy.gguf")
