"""Losses that were measured here, in the user's cache, by the SHA-256 of the file: the bytes count, not the name.

Hashing a file of gigabytes takes a while, so that it is done when a loss is measured; afterwards the file is known by
path, size, time of change, device and inode.
"""

import hashlib
import os

import msgspec

from aidx.adapters import cachedir
from aidx.model.spec import MeasuredLoss, ModelSpec

NAME = "losses.json"
MOST_BYTES = 4 << 20
MOST = 1000


class Known(msgspec.Struct, frozen=True):
    """A measured loss: mean divergence and its 95 % interval, over *tokens* tokens, against *reference*, on *date*."""

    kld_mean: float
    kld_low: float
    kld_high: float
    quality: str
    tokens: int
    reference: str
    date: str
    at_least: bool = False


class _File(msgspec.Struct, frozen=True):
    stamp: tuple[int, int, int, int]
    sha256: str


class _Table(msgspec.Struct):
    version: int
    files: dict[str, _File]
    losses: dict[str, Known]


def find(model: ModelSpec) -> MeasuredLoss | None:
    """What was measured of the very file of *model*; never hashes, never raises."""
    if model.path is None:
        return None
    table = _read()
    if table is None or not table.losses:
        return None
    path = os.path.abspath(model.path)  # noqa: PTH100 - Path.absolute keeps '..'
    file = table.files.get(path)
    stamp = _stamp(path)
    known = table.losses.get(file.sha256) if file is not None and stamp == file.stamp else None
    if known is None:
        return None
    bound = "at least, " if known.at_least else ""
    source = f"measured here on {known.date}: {bound}{known.kld_mean:.4g} over {known.tokens:,} tokens"
    return MeasuredLoss(known.kld_low, known.kld_high, known.quality, f"{source} against {known.reference}")


def keep(path: str, sha256: str, known: Known) -> bool:
    """Remember *known* of the file at *path*, whose digest is *sha256*; false where it cannot be written.

    A lower bound takes no place of a full measurement, and fewer tokens none of more.
    """
    folder = cachedir.cache_dir()
    stamp = _stamp(path)
    if folder is None or stamp is None:
        return False
    table = _read() or _Table(1, {}, {})
    table.files.pop(path := os.path.abspath(path), None)  # noqa: PTH100 - as above
    table.files[path] = _File(stamp, sha256)
    before = table.losses.pop(sha256, None)
    weaker = before is not None and (known.at_least, -known.tokens) > (before.at_least, -before.tokens)
    table.losses[sha256] = before if before is not None and weaker else known
    table.files = dict(list(table.files.items())[-MOST:])
    table.losses = dict(list(table.losses.items())[-MOST:])
    return cachedir.keep(folder / NAME, msgspec.json.encode(table))


def digest(paths: tuple[str, ...]) -> str:
    """The SHA-256 of the bytes of all *paths* in order; raises ``OSError``."""
    found = hashlib.sha256()
    for path in paths:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - paths are text here
            while block := file.read(4 << 20):
                found.update(block)
    return found.hexdigest()


def _read() -> _Table | None:
    folder = cachedir.cache_dir()
    data = None if folder is None else cachedir.read(folder / NAME, MOST_BYTES)
    if data is None:
        return None
    try:
        table = msgspec.json.decode(data, type=_Table)
    except (msgspec.MsgspecError, ValueError):
        return None
    return table if table.version == 1 else None


def _stamp(path: str) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino
