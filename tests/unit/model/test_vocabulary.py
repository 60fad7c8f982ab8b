"""Vocabularies out of GGUF metadata: what we can count with, and what we cannot."""

import pytest

from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32, STRING
from aidx.model.vocabulary import CONTROL, NORMAL, byte_level

SHOWN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
HIDDEN = [byte for byte in range(256) if byte not in SHOWN]
LETTERS = [chr(byte) for byte in SHOWN] + [chr(0x100 + number) for number in range(len(HIDDEN))]


MERGES = encode(STRING, ["h e", "Ġ h"])


def metadata(more=("he", "Ġh"), special=("<|end|>",), **changes):
    tokens = [*LETTERS, *more, *special]
    kinds = [NORMAL] * (len(LETTERS) + len(more)) + [CONTROL] * len(special)
    found = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": encode(STRING, tokens),
        "tokenizer.ggml.token_type": encode(I32, kinds),
        "tokenizer.ggml.merges": MERGES,
    }
    return found | {f"tokenizer.ggml.{name}": value for name, value in changes.items()}


def test_ranks_are_bytes_first_and_merges_in_their_order():
    found = byte_level(metadata())

    assert found.ranks[b"h"] == ord("h")
    assert (found.ranks[b"he"], found.ranks[b" h"]) == (256, 257)
    assert len(found.ranks) == 258
    assert found.special == ("<|end|>",)
    assert found.bos is False


def test_special_tokens_come_longest_first():
    assert byte_level(metadata(special=("<|a|>", "<|longer|>", "é" * 4))).special == ("<|longer|>", "é" * 4, "<|a|>")


@pytest.mark.parametrize(
    ("changes", "bos"),
    [
        ({}, False),
        ({"add_bos_token": True}, True),
        ({"pre": "llama-bpe"}, True),
        ({"pre": "llama3", "add_bos_token": False}, False),
    ],
)
def test_a_prompt_begins_as_the_file_says_or_as_the_engine_assumes(changes, bos):
    assert byte_level(metadata(**changes)).bos is bos


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "llama"},
        {"pre": None},
        {"merges": None},
        {"add_eos_token": True},
        {"add_sep_token": True},
        {"tokens": encode(STRING, LETTERS[1:])},
        {"merges": encode(STRING, ["x y"])},
        {"pre": "llama-bpe", "merges": encode(STRING, ["h e"])},
    ],
    ids=["kind", "no pre", "no merges", "end", "separator", "a byte missing", "a merge to nothing", "unreachable word"],
)
def test_what_the_engine_does_otherwise_is_left_to_it(changes):
    assert byte_level({key: value for key, value in metadata(**changes).items() if value is not None}) is None


def test_a_special_token_in_disguise_is_left_to_the_engine():
    # llama.cpp makes a control token of it, by its looks.
    assert byte_level(metadata(more=("he", "Ġh", "<|im_end|>"))) is None
