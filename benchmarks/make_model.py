"""Writes a model without weights: the header of Qwen2.5-Coder-14B with a full tokenizer, and a hole.

python benchmarks/make_model.py FILE
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fakes.models import qwen2

from aidx.model.gguf.kinds import I32, STRING
from aidx.model.gguf.render import data_size, lay_out, render
from aidx.model.spec import Array

MERGES = 151_387


def text(value: str) -> bytes:
    """A string as GGUF writes it."""
    return len(value).to_bytes(8, "little") + value.encode()


def write(path: Path) -> None:
    """Write the model to *path*; tokens are as long as the original's are on average."""
    model = qwen2()
    tokens = b"".join(text(f"{number:06x}") for number in range(model.vocab_size))
    merges = b"".join(text(f"{number:04x} {number % 97:02x}") for number in range(MERGES))
    metadata = {
        **model.header.metadata,
        "tokenizer.ggml.tokens": Array(STRING, model.vocab_size, tokens),
        "tokenizer.ggml.token_type": Array(I32, model.vocab_size, b"\1\0\0\0" * model.vocab_size),
        "tokenizer.ggml.merges": Array(STRING, MERGES, merges),
    }
    tensors = lay_out(model.tensors)
    header = render(metadata, tensors)
    path.write_bytes(header)
    os.truncate(path, len(header) + data_size(tensors))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
