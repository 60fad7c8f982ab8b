"""One ledger of bytes: what is planned, what the gate reserves from, what a stress run measures."""

from typing import Literal

from msgspec import Struct

What = Literal[
    "weights",
    "kv_cache",
    "recurrent_state",
    "compute",
    "scratch",
    "output",
    "repack",
    "driver",
    "engine_process",
    "prompt_cache",
    "checkpoints",
    "projector",
    "draft",
    "lora",
    "desktop",
    "reserve",
]
Grade = Literal["exact", "engine", "modelled", "assumed", "measured"]
OUTSIDE: frozenset[str] = frozenset({"desktop", "reserve"})


class Entry(Struct, frozen=True):
    """So many *bytes* of *what*, because of *why*, as sure as *grade* says."""

    what: What
    bytes: int
    why: str
    grade: Grade
    role: str | None = None


class Account(Struct, frozen=True):
    """The entries of one device; ``desktop`` and ``reserve`` stand outside the planned sum."""

    name: str
    kind: Literal["gpu", "host"]
    total: int
    entries: tuple[Entry, ...] = ()

    @property
    def usable(self) -> int:
        """Bytes that a plan may use: the total less what others use and what the user keeps back."""
        return self.total - sum(entry.bytes for entry in self.entries if entry.what in OUTSIDE)

    @property
    def planned(self) -> int:
        """Bytes that this plan takes."""
        return sum(entry.bytes for entry in self.entries if entry.what not in OUTSIDE)

    @property
    def headroom(self) -> int:
        """Bytes left; negative when the plan does not fit."""
        return self.usable - self.planned

    def sum(self, what: What) -> int:
        """Bytes of one kind."""
        return sum(entry.bytes for entry in self.entries if entry.what == what)


class Ledger(Struct, frozen=True):
    """The accounts of all devices, GPUs first, then the host."""

    accounts: tuple[Account, ...]

    @property
    def holds(self) -> bool:
        """Whether every device has headroom."""
        return all(account.headroom >= 0 for account in self.accounts)

    def account(self, name: str) -> Account:
        """The account called *name*."""
        return next(account for account in self.accounts if account.name == name)
