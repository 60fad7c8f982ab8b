"""Reads the header of a model file on this machine.

With plain reads, never a memory map: a file that shrinks while it is mapped kills the process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from aidx.adapters.stores.found import FileHeader
from aidx.errors import InputError
from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_array, keeps_every_array
from aidx.model.gguf.split import join, part_names, part_of
from aidx.model.spec import Header
from aidx.userfile import opened

_FIRST = 64 << 10
_MOST = 1 << 20
_HINT = "Name a .gguf file."


def read_header(path: str, *, keep_tokenizer: bool = False) -> FileHeader:
    """Read the header of the model at *path*, which may be any part of a split one.

    Blocks on the disk. *keep_tokenizer* keeps the bytes of the tokenizer's arrays too. Raises ``InputError``
    (``HeaderError`` with offset and field where the format is broken) that names the file and what is wrong.
    """
    header, size = _read_one(path, keep_tokenizer=keep_tokenizer)
    with _naming(path):
        part = part_of(header)
        if part is None:
            return FileHeader(header, size, (path,), (header,))
        paths = part_names(path, part)
    headers, sizes = [], []
    for number, name in enumerate(paths):
        if number != part.number:
            together = f"Put all {part.count} parts of the model into one folder."
            found, found_size = _read_one(name, keep_tokenizer=keep_tokenizer, missing=together)
        else:
            found, found_size = header, size
        headers.append(found)
        sizes.append(found_size)
    with _naming(path):
        return FileHeader(join(headers), sum(sizes), paths, tuple(headers))


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Complete an error of code that knows no files: *path* before the message, a hint where it has none."""
    try:
        yield
    except InputError as error:
        error.args = (f"{path}: {error}",)
        error.hint = error.hint or "Download the file again, or convert the model with a current llama.cpp."
        raise


def _read_one(path: str, *, keep_tokenizer: bool, missing: str = "Check the path.") -> tuple[Header, int]:
    with opened(path, "a GGUF model", hint=_HINT, missing=missing) as found, _naming(path):
        return _feed(*found, keep_tokenizer=keep_tokenizer)


def _feed(handle: int, size: int, *, keep_tokenizer: bool) -> tuple[Header, int]:
    if size == 0:
        raise InputError("an empty file", hint="Download or copy the file again.")
    reader = Reader(size, keep=keeps_every_array if keep_tokenizer else keeps_array)
    chunk = _FIRST
    data = os.read(handle, chunk)
    _refuse_text(data)
    reader.feed(data)
    while (header := reader.next()) is NEED_DATA:
        chunk = min(2 * chunk, _MOST)
        data = os.read(handle, chunk)
        if not data:
            raise InputError("the file became shorter while it was read", hint="Wait until it is complete.")
        reader.feed(data)
    return header, size


def _refuse_text(data: bytes) -> None:
    """Refuse what is plainly text: its magic bytes would say little to a person."""
    if data[:4] == b"GGUF":
        return
    if data.startswith(b"version https://git-lfs"):
        raise InputError("a Git LFS pointer, not the model itself", hint="Fetch it with 'git lfs pull'.")
    head = data[:512]
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else only the last character was cut
            return
        text = head[: error.start].decode()
    if all(letter.isprintable() or letter.isspace() for letter in text):
        raise InputError("a text file, not a GGUF model", hint=_HINT)
