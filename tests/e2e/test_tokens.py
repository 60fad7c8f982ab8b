"""Our count of tokens and the engine's: equal on code, prose, random Unicode and special tokens, for every name of a
pre-tokenizer that we know. The vocabulary is aidx-tiny's under each name; the engine only reads its header.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import aidx
from aidx import wiring
from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.gate.tokens import tokens
from aidx.gate.words import WORDS
from aidx.model.gguf.render import data_size, render
from aidx.model.vocabulary import byte_level

PROGRAM = Path(__file__).parents[1] / "engine_tokens.py"
SOURCES = sorted(Path(aidx.__file__).parent.rglob("*.py"))
BLOCKS = (
    *((0x20, 0x7F), (0x0, 0x250), (0x300, 0x600), (0x600, 0x700), (0x900, 0xA00), (0xE00, 0xE80), (0x1E00, 0x2200)),
    *((0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A0), (0xFF00, 0xFFF0), (0x1F300, 0x1F700), (0x10000, 0x10FFFF)),
)
TRICKY = (
    *(
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "'s",
        "'LL",
        "a",
        "B",
        "7",
        "12",
        "1234567",
        "é",
        "日本",
        "…",
        "!",
        "-",
        "/",
        " x",
    ),
    *(
        "\u00a0",
        "\u3000",
        "\u0085",
        "<|im_start|>",
        "<|endoftext|>",
        "<|im_end|>",
        "<|im_",
        "ÀB",
        "aÀ",
        "ǅ",
        "²",
        "①",
        "٣",
    ),
)


def corpus(count=400):
    """Texts of five kinds, the same ones every time."""
    dice = random.Random(8)
    for number in range(count):
        if number % 4 == 0:
            text = dice.choice(SOURCES).read_text("utf-8")
            start = dice.randrange(len(text) or 1)
            yield text[start : start + dice.choice([50, 500, 2000])]
        elif number % 4 == 1:
            points = (dice.randrange(*dice.choice(BLOCKS)) for _ in range(60))
            yield "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        elif number % 4 == 2:
            yield "".join(dice.choices(TRICKY, k=40))
        else:
            block = dice.choice(BLOCKS)
            points = (dice.randrange(*block) for _ in range(30))
            yield "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000) + dice.choice(
                ["\n\n  x", " 12 3", "  "]
            )


def engine_counts(path, texts):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(path)], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the engine's library is opened on Linux only")
@pytest.mark.parametrize("pre", WORDS)
def test_our_count_is_the_engine_s(pre, tmp_path):
    header = read_header(shipped.path(), keep_tokenizer=True).header
    metadata = {**header.metadata, "tokenizer.ggml.pre": pre}
    data = render(metadata, header.tensors, kinds=header.kinds)
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    os.truncate(path, len(data) + data_size(header.tensors))
    ours = tokens(byte_level(metadata))
    texts = list(corpus())

    counted = [ours.count(text) for text in texts]

    assert counted == engine_counts(path, texts)
    assert [ours.count(text) for text in texts] == counted  # remembered


def test_another_pre_tokenizer_would_count_otherwise():
    header = read_header(shipped.path(), keep_tokenizer=True).header
    found = {
        pre: tokens(byte_level({**header.metadata, "tokenizer.ggml.pre": pre}))
        for pre in ("gpt-2", "superbpe", "llama3")
    }
    texts = list(corpus(40))

    assert len({tuple(one.count(text) for text in texts) for one in found.values()}) == 3


def test_the_shipped_model_is_counted_here():
    own = wiring.own_count(shipped.path())

    assert own.template.family == "chatml"
    assert own.tokens.count("<|im_start|>user\n") == engine_counts(shipped.path(), ["<|im_start|>user\n"])[0]


def test_a_model_whose_tokens_only_the_engine_knows_is_left_to_it(tmp_path):
    header = read_header(shipped.path(), keep_tokenizer=True).header
    for key, value in (("tokenizer.ggml.pre", "poro-chat"), ("tokenizer.ggml.model", "llama")):
        data = render({**header.metadata, key: value}, header.tensors, kinds=header.kinds)
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        os.truncate(path, len(data) + data_size(header.tensors))

        assert wiring.own_count(str(path)) is None
