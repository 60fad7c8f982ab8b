"""A model that makes vectors: aidx-tiny, told by its header to average its tokens."""

from pathlib import Path

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.gguf.render import render

MEAN = 1  # llama.cpp's LLAMA_POOLING_TYPE_MEAN


def embedder(folder: Path) -> Path:
    """The file, written into *folder*."""
    path = Path(shipped.path())
    header = read_header(str(path), keep_tokenizer=True).header
    key = f"{header.metadata['general.architecture']}.pooling_type"
    found = folder / "embedder.gguf"
    found.write_bytes(
        render({**header.metadata, key: MEAN}, header.tensors, kinds=header.kinds) + path.read_bytes()[header.size :]
    )
    return found
