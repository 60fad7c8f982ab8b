"""The table of graphics cards that ships with the package."""

from pathlib import Path

import msgspec

import aidx
from aidx.plan.cards import Card, Chip
from aidx.plan.devices import MIB
from aidx.plan.unified import cards as sizes

GB = 10**9


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    vendor: str
    chip: str
    mib: int
    mib_source: str
    mib_measured: bool
    bandwidth_gbs: int
    bandwidth_source: str
    driver_mib: int | None
    driver_source: str | None


class _Chip(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    vendor: str
    bandwidth_gbs: int
    bandwidth_source: str
    ram_gb: tuple[int, ...]
    limit: str
    also: tuple[str, ...]


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    cards: tuple[_Row, ...]
    chips: tuple[_Chip, ...]


def read_cards() -> tuple[Card, ...]:
    """Every card in the file's order, and behind them every chip that shares the RAM, in each of its sizes."""
    table = _table()
    return (*map(_card, table.cards), *(card for row in table.chips for card in sizes(_chip(row))))


def read_chips() -> tuple[Chip, ...]:
    """Every chip whose GPU shares the RAM."""
    return tuple(map(_chip, _table().chips))


def _table() -> _Table:
    raw = (Path(aidx.__file__).parent / "data" / "gpus.json").read_bytes()
    return msgspec.json.decode(raw, type=_Table)


def _chip(row: _Chip) -> Chip:
    return Chip(
        name=row.name,
        vendor=row.vendor,
        bandwidth=row.bandwidth_gbs * GB,
        source=row.bandwidth_source,
        sizes=row.ram_gb,
        limit=row.limit,
        also=row.also,
    )


def _card(row: _Row) -> Card:
    return Card(
        name=row.name,
        vendor=row.vendor,
        chip=row.chip,
        memory=row.mib * MIB,
        memory_source=row.mib_source,
        measured=row.mib_measured,
        bandwidth=row.bandwidth_gbs * GB,
        bandwidth_source=row.bandwidth_source,
        driver=None if row.driver_mib is None else row.driver_mib * MIB,
        driver_source=row.driver_source,
    )
