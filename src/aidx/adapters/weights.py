"""The weights of a model file, tensor by tensor, apart from what else the file says."""

import hashlib
from pathlib import Path

from aidx.adapters.stores.file import read_header

PIECE = 1 << 20


def digests(path: str) -> dict[str, tuple[str, tuple[int, ...], str]]:
    """Type, shape and SHA-256 of the bytes of each tensor at *path*, whichever part it is in; blocks on the disk."""
    found = read_header(path)
    made = {}
    for part, name in zip(found.parts, found.paths, strict=True):
        with Path(name).open("rb") as file:
            for tensor in part.tensors:
                file.seek(part.size + tensor.offset)
                left, digest = tensor.bytes, hashlib.sha256()
                while left and (piece := file.read(min(PIECE, left))):
                    digest.update(piece)
                    left -= len(piece)
                made[tensor.name] = (tensor.type.name, tensor.shape, digest.hexdigest())
    return made
