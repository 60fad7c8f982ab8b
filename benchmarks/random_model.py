"""Writes a model that runs and knows nothing: random weights of a family, with the tokenizer of aidx-tiny.

    python benchmarks/random_model.py FAMILY FILE      FAMILY: gemma3 (windows), lfm2 (a state beside the cache)

Some tens of MB, enough for a proof of its plan: `python benchmarks/stress.py FILE --vram 0 -c 2048 -np 2`.
"""

import sys
from array import array
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fakes.published import made, typed

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.gguf.render import data_size, lay_out, render

WORDS = 2048  # tokens of aidx-tiny
COMMON = {"context_length": 4096, "vocab_size": WORDS, "attention.layer_norm_rms_epsilon": 1e-6}
FAMILIES: dict[str, dict[str, Any]] = {
    "gemma3": {
        "block_count": 12,
        "embedding_length": 512,
        "feed_forward_length": 1024,
        "attention.head_count": 8,
        "attention.head_count_kv": 4,
        "attention.key_length": 64,
        "attention.value_length": 64,
        "attention.sliding_window": 256,
    },
    "lfm2": {
        "block_count": 12,
        "embedding_length": 512,
        "feed_forward_length": 1024,
        "attention.head_count": 8,
        "attention.head_count_kv": [0, 0, 4, 0, 0, 4, 0, 0, 4, 0, 4, 0],
        "shortconv.l_cache": 3,
    },
}


def write(family: str, target: Path) -> int:
    """Write it to *target*; its bytes."""
    tiny = read_header(shipped.path(), keep_tokenizer=True).header
    keys = {f"{family}.{key}": value for key, value in {**COMMON, **FAMILIES[family]}.items()}
    model = made(typed({"general.architecture": family, **keys}))
    words = {key: value for key, value in tiny.metadata.items() if key.startswith("tokenizer.")}
    tensors = lay_out(model.tensors)
    dice = Random(family)
    with target.open("wb") as file:
        file.write(render({**model.header.metadata, **words}, tensors))
        start = file.tell()
        for tensor in tensors:
            file.seek(start + tensor.offset)
            file.write(_weights(tensor.type.name, tensor.elements, dice))
        file.truncate(start + data_size(tensors))
        return file.tell()


def _weights(kind: str, count: int, dice: Random) -> bytes:
    """Norms of one; else halves of a size from 1/128 to 1/64: sign and mantissa by chance."""
    if kind == "f32":
        return array("f", [1.0]).tobytes() * count
    assert kind == "f16"
    raw = array("H", dice.randbytes(2 * count))
    return array("H", (each & 0x83FF | 0x2000 for each in raw)).tobytes()


if __name__ == "__main__":
    print(f"{write(sys.argv[1], Path(sys.argv[2])):,} bytes")
