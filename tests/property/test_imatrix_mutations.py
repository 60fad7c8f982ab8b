"""Importance matrices with bits, bytes and lengths changed: a matrix of numbers, or one line that says why not."""

import random

import pytest
from tests.gguf_files import mutated
from tests.unit.model.test_imatrix import legacy, modern

from aidx.errors import InputError
from aidx.model.quants.imatrix import parse

COUNT = 20_000
STACK = {"x": (1.0, 2.0)}


@pytest.mark.parametrize("raw", [legacy(), modern(), modern(STACK, counts=(3, 0))], ids=["legacy", "gguf", "stack"])
def test_no_mutation_escapes(raw):
    dice = random.Random(f"imatrix {len(raw)}")
    refused = 0
    for _ in range(COUNT):
        spoiled = mutated(raw, len(raw), dice)
        try:
            found = parse(spoiled, "m")
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017 - a refusal is one of two good answers
            refused += 1
            continue
        assert 0 < sum(map(len, found.entries.values())) * 4 <= len(spoiled)
    assert refused > COUNT // 10
