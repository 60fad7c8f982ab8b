"""The catalogue that ships with the package."""

from pathlib import Path

import msgspec

import aidx
from aidx.model.catalogue import Entry, Published
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
    note: str = ""


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    entries: tuple[_Row, ...]


def read_catalogue() -> tuple[Entry, ...]:
    """Every entry, in the file's order; reads about 60 kB."""
    raw = (Path(aidx.__file__).parent / "data" / "catalogue.json").read_bytes()
    return tuple(_entry(row) for row in msgspec.json.decode(raw, type=_Table).entries)


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
        note=row.note,
    )
