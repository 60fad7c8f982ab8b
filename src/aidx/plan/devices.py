"""The machine a plan is made for: this one, or one that the user wishes for."""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.ledger import Account, Entry, Grade, Ledger
from aidx.budget.sizes import amount
from aidx.errors import InputError

MIB = 1 << 20
ASSUMED_DRIVER = 512 * MIB  # DESIGN section 3: contexts of 107-555 MiB have been measured (llama.cpp #20595, #23604)
# An engine child with aidx-tiny takes 24 MiB beside its buffers (`benchmarks/engine_process.py`); the rest is room for
# the CPU backend's work buffers, which grow with the batch and are in no buffer that the engine reports.
ASSUMED_ENGINE_PROCESS = 128 * MIB


class Device(Struct, frozen=True):
    """*total* bytes, of which others use *used*; *reserve* is kept back, by the user unless *reserve_why*.

    *unified* bytes of a GPU's total are the host's RAM (Apple silicon: all of them; an APU: what lies beyond its
    carve-out). *bandwidth* is in bytes a second, ``None`` where it is not known. *overhead* is that of a context of
    *cells*; each one more takes *cell* bytes.
    """

    name: str
    kind: Literal["gpu", "host"]
    total: int
    used: int = 0
    used_why: str = ""
    overhead: int = 0
    overhead_why: str = ""
    overhead_grade: Grade = "assumed"
    cells: int = 0
    cell: int = 0
    reserve: int = 0
    reserve_why: str = "kept back by the user"
    label: str = ""
    total_why: str = ""
    unified: int = 0
    bandwidth: int | None = None
    bandwidth_why: str = ""

    @property
    def free(self) -> int:
        """Bytes that an engine finds free once its driver context stands: by these it splits a model."""
        return max(0, self.total - self.used - self.reserve - self.overhead)

    def shared(self, planned: int) -> int:
        """Bytes of the host's RAM that *planned* bytes on this GPU take: what its own memory does not hold."""
        return max(0, planned - max(0, self.total - self.unified - self.used)) if self.unified else 0

    def account(self, entries: tuple[Entry, ...], n_ctx: int = 0) -> Account:
        """This device with *entries* of a plan of *n_ctx* cells on it, its own overhead and what others use."""
        own: list[Entry] = []
        if self.overhead:
            what: Literal["driver", "engine_process"] = "driver" if self.kind == "gpu" else "engine_process"
            more = self.cell * max(0, n_ctx - self.cells)
            why = f"{self.overhead_why} and {amount(more)} for a longer context" if more else self.overhead_why
            own.append(Entry(what, self.overhead + more, why, self.overhead_grade))
        if self.used:
            own.append(Entry("desktop", self.used, self.used_why, "measured"))
        if self.reserve:
            own.append(Entry("reserve", self.reserve, self.reserve_why, "exact"))
        return Account(self.name, self.kind, self.total, (*entries, *own))


def bandwidth(device: Device) -> int | None:
    """Bytes a second that *device* reads at most, by its maker's word; ``None`` where it is not known."""
    return device.bandwidth


class Found(Struct, frozen=True):
    """What one source of hardware saw: GPUs, in its order, and lines that a person must read."""

    gpus: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()


class Machine(Struct, frozen=True):
    """The GPUs in the engine's order, called ``gpu0``, ``gpu1``, …, and the host; *notes* on how they were found.

    Raises:
        InputError: For two devices of one name, and for GPUs that are called otherwise.
    """

    host: Device
    gpus: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the names: entries find their device by them."""
        names = [device.name for device in self.devices]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{names.count(name)} devices are called {name}", hint="Give each its own name.")
        for number, gpu in enumerate(self.gpus):
            if gpu.name != f"gpu{number}":
                raise InputError(f"GPU {number} is called {gpu.name}", hint=f"Call it gpu{number}.")

    @property
    def devices(self) -> tuple[Device, ...]:
        """GPUs first, then the host."""
        return (*self.gpus, self.host)

    def ledger(self, entries: Mapping[str, tuple[Entry, ...]], n_ctx: int = 0) -> Ledger:
        """All accounts with *entries* of a plan of *n_ctx* cells on them.

        What GPUs take of the host's RAM is no longer the host's to use.
        """
        gpus = tuple(gpu.account(entries.get(gpu.name, ()), n_ctx) for gpu in self.gpus)
        host = self.host.account(entries.get(self.host.name, ()), n_ctx)
        shared = tuple(entry for gpu, account in zip(self.gpus, gpus, strict=True) for entry in _shared(gpu, account))
        return Ledger((*gpus, replace(host, entries=(*host.entries, *shared))))


def _shared(gpu: Device, account: Account) -> Iterator[Entry]:
    if taken := gpu.shared(account.planned):
        yield Entry("desktop", taken, f"taken by {gpu.name}, which shares this memory", "exact")


def wished_gpu(total: int, *, driver: int = ASSUMED_DRIVER, asked: bool = False, number: int = 0) -> Device:
    """A GPU of *total* bytes that is not here: nothing else on it, the driver's context assumed."""
    why = "CUDA context, as given by --driver" if asked else "CUDA context, aidx's default; --driver SIZE changes it"
    return Device(f"gpu{number}", "gpu", total, overhead=driver, overhead_why=why)


def host(total: int, *, used: int = 0) -> Device:
    """Host RAM with what others use of it and an idle engine process."""
    return Device(
        "host",
        "host",
        total,
        used=used,
        used_why="in use by other processes" if used else "",
        overhead=ASSUMED_ENGINE_PROCESS,
        overhead_why="the engine process beside its buffers: interpreter, library, work buffers; aidx's default",
    )
