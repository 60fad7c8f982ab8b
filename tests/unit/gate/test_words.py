"""Pieces of text that are counted by themselves have the tokens that they have together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiktoken._tiktoken import CoreBPE

from aidx.gate.words import WORDS, lines

MERGES = (
    *(b"\n ", b"\n\n", b";\n", b"\n  ", b"  ", b"\t ", b"\n/", b"/\n", b"\r\n", b" \n", b"\na", b"a\n", b".\n"),
    *(b"\n\n\n", b"    ", b"\n    ", b" x", b"\n-", b"-\n", b"'s", b"\n1", b"1\n", b"12", b"a1", b"1a"),
)
RANKS = {bytes([byte]): byte for byte in range(256)} | {merge: rank for rank, merge in enumerate(MERGES, 256)}
CORES = {words: CoreBPE(RANKS, {}, words) for words in set(WORDS.values())}
PIECES = (
    *("\n", "\n", "\n", " ", "  ", "    ", "\t", "\r", "\r\n", "/", "//", ";", "a", "ab", "B", "x ", "1", "12", "123"),
    *("'s", "'LL", "-", "!", "é", "日", "\u00a0", "\u3000", "\u0085", "\u2028", "\x1c", "\x0b", "~", "²", "٣", "…"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


@pytest.mark.parametrize("pre", sorted({words: pre for pre, words in WORDS.items()}.values()))
@given(texts)
def test_no_word_goes_from_one_line_to_the_next(pre, text):
    found, core = lines(pre), CORES[WORDS[pre]]
    assert found is not None
    pieces = found(text)

    assert "".join(pieces) == text
    assert [token for piece in pieces for token in core.encode_ordinary(piece)] == core.encode_ordinary(text)


@pytest.mark.parametrize("pre", WORDS)
def test_a_file_is_cut_into_many(pre):
    source = (
        'def area(width, height):\n    """Of a rectangle."""\n    return 2 * width\n\n\nclass Square:\n    side = 4\n'
    )

    assert len(lines(pre)(source)) >= 4
