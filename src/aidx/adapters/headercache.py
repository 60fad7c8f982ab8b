"""Headers that were read before.

Reading the header of a model with 150,000 tokens takes 70 ms and this 2 ms. A header is kept without its
tokenizer, under the path of its file, and is taken only where size, time of change, device and inode of every
part are still what they were. What is damaged or unknown is read from the model again.
"""

import os
import time
import zlib
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import msgspec

import aidx
from aidx.adapters import cachedir
from aidx.adapters.stores.found import FileHeader
from aidx.model.spec import Array, Header, Value
from aidx.model.tensor import BY_NUMBER, Tensor

WORTH = 256 << 10  # bytes of header from which keeping it saves more than it costs
MOST_BYTES = 64 << 20
MOST_FILES = 256
SETTLED_NS = 2_000_000_000  # a file changed more recently may change again within one tick of the clock
_MAGIC = f"aidx header 1 {aidx.__version__}\n".encode()
_NAME = "headers"


class _Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What tells a file from what it was."""

    size: int
    changed: int
    device: int
    inode: int


class _Array(msgspec.Struct, frozen=True, array_like=True):
    kind: int
    count: int
    data: bytes | None


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    paths: tuple[str, ...]
    stamps: tuple[_Stamp, ...]
    file_bytes: int
    metadata: dict[str, bool | int | float | str | _Array]
    kinds: dict[str, int]
    tensors: tuple[tuple[str, tuple[int, ...], int, int], ...]
    size: int
    alignment: int
    version: int


def read(path: str, source: Callable[[str], FileHeader]) -> FileHeader:
    """The header of the model at *path*: the one kept of it, or what *source* reads; raises what *source* does."""
    place = _place(path)
    if place is None:
        return source(path)
    kept = _find(place)
    if kept is not None and path in kept.paths[:1]:
        return _header(kept)
    found = source(path)
    _store(place, found)
    return found


def _place(path: str) -> Path | None:
    folder = cachedir.cache_dir()
    if folder is None:
        return None
    try:
        name = blake2b(os.fsencode(os.path.abspath(path)), digest_size=16).hexdigest()  # noqa: PTH100 - Path.absolute keeps '..'
    except (OSError, ValueError):
        return None
    return folder / _NAME / name


def _find(place: Path) -> _Kept | None:
    data = cachedir.read(place, MOST_BYTES)
    start = len(_MAGIC) + 4
    if data is None or len(data) < start or not data.startswith(_MAGIC):
        return None
    if zlib.crc32(data[start:]) != int.from_bytes(data[len(_MAGIC) : start], "little"):
        return None
    try:
        kept = msgspec.msgpack.decode(data[start:], type=_Kept)
    except (msgspec.MsgspecError, ValueError):
        return None
    current = tuple(_stamp(path) for path in kept.paths)
    known = all(tensor[2] in BY_NUMBER for tensor in kept.tensors)
    return kept if current == kept.stamps and known else None


def _store(place: Path, found: FileHeader) -> None:
    stamps = tuple(stamp for path in found.paths if (stamp := _stamp(path)) is not None)
    youngest = max((stamp.changed for stamp in stamps), default=0)
    if found.header.size < WORTH or len(stamps) != len(found.paths) or time.time_ns() - youngest < SETTLED_NS:
        return
    header = found.header
    kept = _Kept(
        found.paths,
        stamps,
        found.file_bytes,
        {key: _plain(value) for key, value in header.metadata.items()},
        dict(header.kinds),
        tuple((tensor.name, tensor.shape, tensor.type.number, tensor.offset) for tensor in header.tensors),
        header.size,
        header.alignment,
        header.version,
    )
    try:
        body = msgspec.msgpack.encode(kept)
    except (UnicodeEncodeError, OverflowError):  # text or numbers that the format does not take
        return
    if cachedir.keep(place, _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body):
        _prune(place.parent)


def _plain(value: Value) -> bool | int | float | str | _Array:
    return _Array(value.kind, value.count, value.data) if isinstance(value, Array) else value


def _header(kept: _Kept) -> FileHeader:
    metadata: dict[str, Value] = {
        key: Array(value.kind, value.count, value.data) if isinstance(value, _Array) else value
        for key, value in kept.metadata.items()
    }
    tensors = tuple(Tensor(name, shape, BY_NUMBER[number], offset) for name, shape, number, offset in kept.tensors)
    header = Header(metadata, tensors, kept.size, kept.alignment, kept.version, kept.kinds)
    return FileHeader(header, kept.file_bytes, kept.paths)


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - paths are text here, as the caller typed them
    except (OSError, ValueError):
        return None
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)


def _prune(folder: Path) -> None:
    """Drop the headers that were kept longest ago, above `MOST_FILES`."""
    try:
        files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        for old in files[:-MOST_FILES]:
            old.unlink(missing_ok=True)
    except OSError:
        return  # another process tidies up at the same time
