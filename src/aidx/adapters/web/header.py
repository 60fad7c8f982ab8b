"""The header of a model on the net, by growing ranges: a few hundred kilobytes instead of the file."""

from collections.abc import Iterable
from typing import Final

from aidx.adapters.web.client import Deadline
from aidx.adapters.web.ranges import RemoteFile
from aidx.errors import InputError
from aidx.model.gguf.reader import NEED_DATA, Reader
from aidx.model.gguf.split import join
from aidx.model.spec import Header

FIRST: Final = 256 << 10
MOST: Final = 2 << 20
SECONDS: Final = 180.0
"""For all headers of one model: 16 MB (a vocabulary of 262,144) at 1 Mbit/s are 130 s."""


def read_header(file: RemoteFile, name: str, deadline: Deadline) -> Header:
    """The header of *file*; ``file.size`` is known afterwards.

    Raises ``HeaderError`` naming *name* for what is no GGUF file, and what ``RemoteFile.read`` raises.
    """
    reader: Reader | None = None
    fed, step = 0, FIRST
    while True:
        for data in file.read(fed, fed + step, deadline=deadline):
            reader = Reader(file.size) if reader is None else reader
            fed += len(data)
            if (header := _next(reader, data, name)) is not None:
                return header
        if reader is None:
            raise InputError(f"{name}: an empty file", hint="Check the address.")
        step = max(reader.needed, min(2 * step, MOST))


def _next(reader: Reader, data: bytes, name: str) -> Header | None:
    try:
        reader.feed(data)
        header = reader.next()
    except InputError as error:
        error.args = (f"{name}: {error}",)
        error.hint = error.hint or "The file is damaged where it lies: choose another one."
        raise
    return None if header is NEED_DATA else header


def read_headers(files: Iterable[tuple[str, RemoteFile]], deadline: Deadline) -> tuple[Header, int]:
    """The joined header of the parts of a model, in order, and their size in all."""
    headers, total = [], 0
    for name, file in files:
        headers.append(read_header(file, name, deadline))
        total += file.size or 0
    return (headers[0] if len(headers) == 1 else join(headers)), total
