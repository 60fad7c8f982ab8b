"""Planned against allocated: what an engine says that it took, beside what it was planned to take."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from aidx.budget.ledger import Account, Entry, Ledger, What

# What an engine reports after loading; scratch is a part of its compute buffer.
REPORTED: tuple[tuple[What, ...], ...] = (
    ("weights",),
    ("repack",),
    ("kv_cache",),
    ("recurrent_state",),
    ("compute", "scratch"),
    ("output",),
    ("lora",),
    ("projector",),
    ("draft",),
)
EQUAL = frozenset({"exact", "engine", "measured"})  # grades that promise equality; the others promise a bound


class Difference(Struct, frozen=True):
    """One kind of entry on one device; the engine's figure is true to *rounding* bytes.

    *equal* says what was promised: these very bytes, or no more than these.
    """

    device: str
    what: What
    planned: int
    allocated: int
    rounding: int
    equal: bool = True

    @property
    def bytes(self) -> int:
        """Allocated less planned."""
        return self.allocated - self.planned

    @property
    def holds(self) -> bool:
        """Whether the promise was kept, as far as the engine's figure can tell."""
        return (abs(self.bytes) if self.equal else self.bytes) <= self.rounding


def compare(planned: Ledger, allocated: Mapping[str, Sequence[Entry]], *, resolution: int) -> tuple[Difference, ...]:
    """Compare each kind that an engine reports, device after device; kinds that neither side has are left out.

    *resolution* is what the engine's log rounds one figure to, in bytes; a kind of which it prints several
    figures may be off by as many times.
    """
    accounts = {account.name: account for account in planned.accounts}
    devices = dict.fromkeys((*accounts, *allocated))
    rows = (
        _difference(name, kinds, accounts.get(name), allocated.get(name, ()), resolution)
        for name in devices
        for kinds in REPORTED
    )
    return tuple(row for row in rows if row.planned or row.allocated)


def overrun(planned: Ledger, rows: Iterable[Difference]) -> Mapping[str, int]:
    """Bytes by which what was allocated exceeds what is usable, for each device on which it does."""
    beyond: dict[str, int] = {}
    for row in rows:
        beyond[row.device] = beyond.get(row.device, 0) + max(0, row.bytes - row.rounding)
    room = {account.name: account.headroom for account in planned.accounts}
    return {name: more - room.get(name, 0) for name, more in beyond.items() if more > room.get(name, 0)}


def sentence(rows: Sequence[Difference]) -> str:
    """The comparison in one line: that it holds, or each kind that differs with both figures."""
    wrong = [row for row in rows if not row.holds]
    if not wrong:
        total = sum(row.allocated for row in rows)
        return f"allocated {total:,} B in {len(rows)} kinds of buffers, each as planned to the log's 0.01 MiB"
    parts = [f"{row.device} {row.what} {row.allocated:,} B, planned {row.planned:,} B" for row in wrong]
    return f"allocated otherwise than planned: {'; '.join(parts)}"


def _difference(
    device: str,
    kinds: tuple[What, ...],
    account: Account | None,
    allocated: Sequence[Entry],
    resolution: int,
) -> Difference:
    ours = _of(kinds, account.entries if account is not None else ())
    theirs = _of(kinds, allocated)
    return Difference(
        device=device,
        what=kinds[0],
        planned=sum(entry.bytes for entry in ours),
        allocated=sum(entry.bytes for entry in theirs),
        rounding=resolution * max(1, len(theirs)),
        equal=all(entry.grade in EQUAL for entry in ours),
    )


def _of(kinds: tuple[What, ...], entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if entry.what in kinds)
