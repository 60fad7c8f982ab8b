"""A checkpoint from wherever its files are: ``config.json``, and the headers of its safetensors files."""

import os
from pathlib import Path
from typing import Protocol

from aidx.errors import InputError
from aidx.model.blueprint import from_blanks
from aidx.model.found import Resolved, Wanted
from aidx.model.quants import find as find_type
from aidx.model.safetensors import config as configs
from aidx.model.safetensors import header as headers
from aidx.model.safetensors.convert import Converted, convert
from aidx.model.safetensors.files import CONFIG, INDEX, INDEX_BYTES, WHOLE, Index
from aidx.model.safetensors.header import LENGTH, Weight
from aidx.userfile import opened

_GUESS = 64 << 10  # most headers are smaller: one read instead of two


class Tree(Protocol):
    """The files of a checkpoint."""

    def size(self, path: str) -> int | None:
        """Bytes of the file, ``None`` where it is missing."""
        ...

    def start(self, path: str, count: int) -> bytes:
        """The first *count* bytes of the file, fewer where it is shorter."""
        ...


class Folder:
    """The files of a folder on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self, path: str) -> int | None:
        """Bytes of the file, ``None`` where it is missing."""
        try:
            found = self._path / path
            return found.stat().st_size if found.is_file() else None
        except OSError:
            return None

    def start(self, path: str, count: int) -> bytes:
        """The first *count* bytes; raises ``InputError`` for a file that cannot be read."""
        with (
            opened(str(self._path / path), "a file of a checkpoint") as found,
            os.fdopen(found.handle, "rb", closefd=False) as file,
        ):
            return file.read(count)


def resolve(tree: Tree, wanted: Wanted, quant: str | None, name: str) -> Resolved:
    """The model that the checkpoint in *tree* becomes at *quant*, or at what its converter chooses."""
    try:
        found = _read(tree)
    except InputError as error:
        error.args = (f"{name}: {error}",)
        raise
    type_name = find_type(quant or found.native).name

    def at(other: str) -> "Resolved":
        model = from_blanks(
            found.metadata, found.blanks, other, name=name, source="safetensors", imatrix=wanted.imatrix
        )
        return Resolved(model, lambda another: at(another).model, _notes(found))

    return at(type_name)


def _notes(found: Converted) -> tuple[str, ...]:
    if not found.left_out:
        return ()
    return (f"{found.left_out:,} weights are no part of the language model and are not planned",)


def _read(tree: Tree) -> Converted:
    size = tree.size(CONFIG)
    if size is None:
        raise InputError(f"there is no {CONFIG}", hint="Name the folder of a checkpoint, or a .gguf file.")
    config = configs.read_config(tree.start(CONFIG, min(size, configs.LIMIT) + 1))
    index = None
    if (size := tree.size(INDEX)) is not None:
        if size > INDEX_BYTES:
            raise InputError(f"{INDEX} is larger than {INDEX_BYTES} bytes", hint="Plan a GGUF file of the model.")
        index = Index(tree.start(INDEX, size))
    weights: dict[str, Weight] = {}
    for path in (WHOLE,) if index is None else index.files:
        weights |= _header(tree, path)
    if index is not None:
        index.check(weights)
    return convert(config, weights)


def _header(tree: Tree, path: str) -> dict[str, Weight]:
    size = tree.size(path)
    if size is None:
        raise InputError(f"{path} is missing", hint="Download all files of the checkpoint.")
    data = tree.start(path, min(size, _GUESS))
    try:
        end = headers.header_size(data[:LENGTH], size)
        if end > len(data):
            data = tree.start(path, end)
        return headers.parse(data, size)
    except InputError as error:
        error.args = (f"{path}: {error}",)
        raise
