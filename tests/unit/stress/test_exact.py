"""Texts of exactly so many tokens, for tokenizers of several kinds."""

import asyncio
import re

import pytest

from aidx.stress.exact import exact


def words(text):
    return len(re.findall(r"\w+|[^\w\s]", text))


def four(text):
    return -(-len(text.strip().encode()) // 4)


def pairs(text):
    """Two characters a token, and a template of 17."""
    return 17 + (len(text) + 1) // 2


def found(count, target, number=1, before=""):
    async def counted(text):
        return count(text)

    return asyncio.run(exact(counted, target, number, before))


@pytest.mark.parametrize("count", [words, four, pairs])
@pytest.mark.parametrize("target", [20, 64, 253, 1020, 8188])
def test_it_has_just_so_many(count, target):
    text = found(count, target)

    assert count(text) == target
    assert text == text.strip()


def test_texts_of_different_numbers_begin_differently():
    first, second = (found(words, 200, number) for number in (1, 2))

    assert first[:8] != second[:8]


def test_it_begins_with_what_was_given():
    assert found(words, 300, before="def mine():\n    return 1\n").startswith("def mine():")


def test_what_cannot_be_is_none():
    assert found(pairs, 5) is None
    assert found(words, 10, before="one two three " * 20) is None
    assert found(lambda text: 2 * words(text), 33) is None
