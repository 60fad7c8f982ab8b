"""The machine a plan is made for: this one, or one that the user wishes for."""

from dataclasses import dataclass, field
from typing import Literal

from aidx.budget.ledger import Account, Entry, Grade

MIB = 1 << 20
ASSUMED_DRIVER = 512 * MIB  # DESIGN section 3: contexts of 107-555 MiB have been measured (llama.cpp #20595, #23604)
# An engine child with aidx-tiny takes 24 MiB beside its buffers (`benchmarks/engine_process.py`); the rest is room for
# the CPU backend's work buffers, which grow with the batch and are in no buffer that the engine reports.
ASSUMED_ENGINE_PROCESS = 128 * MIB


@dataclass(frozen=True, slots=True)
class Device:
    """*total* bytes, of which others use *used*; *reserve* is kept back for the user."""

    name: str
    kind: Literal["gpu", "host"]
    total: int
    used: int = 0
    used_why: str = ""
    overhead: int = 0
    overhead_why: str = ""
    overhead_grade: Grade = "assumed"
    reserve: int = 0
    label: str = ""

    def account(self, entries: tuple[Entry, ...]) -> Account:
        """This device with *entries* of a plan on it, its own overhead and what others use."""
        own: list[Entry] = []
        if self.overhead:
            what: Literal["driver", "engine_process"] = "driver" if self.kind == "gpu" else "engine_process"
            own.append(Entry(what, self.overhead, self.overhead_why, self.overhead_grade))
        if self.used:
            own.append(Entry("desktop", self.used, self.used_why, "measured"))
        if self.reserve:
            own.append(Entry("reserve", self.reserve, "kept back by the user", "exact"))
        return Account(self.name, self.kind, self.total, (*entries, *own))


@dataclass(frozen=True, slots=True)
class Machine:
    """At most one GPU is planned for now; the host is always there."""

    host: Device
    gpus: tuple[Device, ...] = field(default=())

    @property
    def devices(self) -> tuple[Device, ...]:
        """GPUs first, then the host."""
        return (*self.gpus, self.host)


def wished_gpu(total: int, *, driver: int = ASSUMED_DRIVER, asked: bool = False) -> Device:
    """A GPU of *total* bytes that is not here: nothing else on it, the driver's context assumed."""
    why = "CUDA context, as given by --driver" if asked else "CUDA context, aidx's default; --driver SIZE changes it"
    return Device("gpu0", "gpu", total, overhead=driver, overhead_why=why)


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
