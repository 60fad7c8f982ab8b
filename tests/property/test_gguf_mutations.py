"""Headers with bits, bytes and lengths changed: nothing but a header, ``NEED_DATA`` or ``HeaderError``.

``benchmarks/header.py --mutations 3000000`` runs the same for longer.
"""

import random
import time

import pytest
from tests.gguf_files import SEEDS, mutated

from aidx.errors import AidxError, HeaderError
from aidx.model.gguf.arrays import decode
from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_every_array
from aidx.model.gguf.render import data_size, render_header
from aidx.model.gguf.split import part_of
from aidx.model.spec import Array, Header

COUNT = 80_000


@pytest.mark.parametrize("make", SEEDS)
def test_no_mutation_escapes(make):
    raw = make()
    whole = Reader(len(raw))
    whole.feed(raw)
    header = whole.next()
    assert header is not NEED_DATA
    dice = random.Random(f"{make.__name__} 3")
    refused = 0
    started = time.process_time()
    for number in range(COUNT):
        spoiled = mutated(raw, header.size, dice)
        file_size = len(spoiled) if number % 4 else None
        reader = Reader(file_size, keep=keeps_every_array)
        reader.feed(spoiled)
        try:
            said = reader.next()
        except HeaderError as error:
            assert 0 <= error.offset <= len(spoiled)  # noqa: PT017 - a refusal is one of three good answers
            refused += 1
            continue
        if said is NEED_DATA:
            assert file_size is None
        else:
            check(said, file_size)
    assert refused > COUNT // 2
    assert time.process_time() - started < 60  # about 4 s


def check(header: Header, file_size: int | None) -> None:
    """What was accepted can be used: sizes fit the file, arrays decode, and it can be written and read."""
    assert file_size is None or header.size + sum(each.bytes for each in header.tensors) <= file_size + 65_536
    assert all(each.layer is None or each.layer >= 0 for each in header.tensors)
    for value in header.metadata.values():
        if isinstance(value, Array):
            assert len(decode(value)) == value.count
    try:
        part_of(header)
    except AidxError as error:
        assert "split." in str(error)  # noqa: PT017 - the numbers in it may be nonsense
    again = Reader(None, keep=keeps_every_array)
    again.feed(render_header(header))
    read = again.next()
    assert isinstance(read, Header)
    assert repr((read.metadata, read.tensors, read.alignment)) == repr(
        (header.metadata, header.tensors, header.alignment)
    )
    assert data_size(read.tensors, read.alignment) >= sum(each.bytes for each in read.tensors)
