"""Models of the golden files (``tests/golden/arch``), and files with their headers whose data are a hole."""

import json
from pathlib import Path

from aidx.adapters.llama.ghost import ghost
from aidx.model import arch
from aidx.model.blueprint import present
from aidx.model.build import from_header
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32, U64
from aidx.model.quants.assign import assign
from aidx.model.spec import Header, Metadata, ModelSpec

HASHED = ("ple.layer_multipliers", "ple.head_offsets", "ple.head_vocab_sizes")
GOLDEN = Path(__file__).parents[1] / "golden" / "arch"


def typed(metadata: dict) -> Metadata:
    """Lists as the arrays of a file; the engine insists on the width of what PLE hashes with."""
    return {
        key: encode(U64 if key.endswith(HASHED) else I32, value) if isinstance(value, list) else value
        for key, value in metadata.items()
    }


def published(name: str, quant: str = "Q4_K_M") -> ModelSpec:
    """The model called *name* in the golden files, at *quant*."""
    records = (record for path in GOLDEN.glob("*.json") for record in json.loads(path.read_text("utf-8"))["models"])
    record = next(record for record in records if record["name"] == name)
    return made(typed(record["metadata"]), frozenset(record["absent"]), quant, name=name)


def made(metadata: Metadata, absent: frozenset[str] = frozenset(), quant: str = "F16", *, name: str = "") -> ModelSpec:
    """The model of *metadata* as its family lists its tensors, without those that are *absent*."""
    family = arch.find(str(metadata["general.architecture"]))
    assert family is not None
    tensors = assign(present(family.tensors(metadata), absent), quant, metadata)
    return from_header(Header(metadata, tensors, size=0), name=name, source="file", file_bytes=0)


def hollow_file(model: ModelSpec, folder: Path) -> str:
    """A file with *model*'s header, the tokenizer reduced to its size, and a hole for data."""
    written = ghost(model)
    path = folder / f"{model.name}.gguf"
    with path.open("wb") as file:
        file.write(written.header)
        file.truncate(len(written.header) + written.hole)
    return str(path)
