"""The catalogue that ships with the package."""

from pathlib import Path

import msgspec

import aidx
from aidx.model.catalogue import Cloud, Entry, Published, Standing
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    hf_id: str
    aliases: tuple[str, ...]
    metadata: dict[str, bool | int | float | str | list[int]]
    absent: frozenset[str]
    legacy: bool
    native: str
    tokenizer: str
    metadata_bytes: int | None
    files: tuple[Published, ...]
    seen: str
    sources: tuple[str, ...]
    parameters: int
    standing: Standing
    trained_in: str | None = None
    like: str | None = None
    note: str = ""


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    entries: tuple[_Row, ...]
    clouds: tuple[Cloud, ...]


def read_catalogue() -> tuple[Entry, ...]:
    """Every model that can run here, in the file's order; reads about 130 kB."""
    return tuple(_entry(row) for row in _read().entries)


def read_clouds() -> tuple[Cloud, ...]:
    """Every model of the cloud, in the file's order."""
    return _read().clouds


def _read() -> _Table:
    raw = (Path(aidx.__file__).parent / "data" / "catalogue.json").read_bytes()
    return msgspec.json.decode(raw, type=_Table)


def _entry(row: _Row) -> Entry:
    metadata = {key: encode(I32, value) if isinstance(value, list) else value for key, value in row.metadata.items()}
    return Entry(
        id=row.id,
        hf_id=row.hf_id,
        aliases=row.aliases,
        metadata=metadata,
        absent=row.absent,
        legacy=row.legacy,
        native=row.native,
        tokenizer=row.tokenizer,
        metadata_bytes=row.metadata_bytes,
        files=row.files,
        seen=row.seen,
        sources=row.sources,
        parameters=row.parameters,
        standing=row.standing,
        trained_in=row.trained_in,
        like=row.like,
        note=row.note,
    )
