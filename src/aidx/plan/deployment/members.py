"""Who is in a deployment: roles that run here, roles that run elsewhere, and the processes that answer for them."""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct, field
from msgspec.structs import replace

from aidx.budget.ledger import OUTSIDE, Entry, Ledger
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Device, Machine
from aidx.plan.make import Seat, Variant
from aidx.plan.need import Need

ROLES = ("editor", "verifier", "drafter", "architect", "thinking", "researcher", "gatekeeper", "embedder")
"""From the role that the GPU is for to those that may run on a CPU (DESIGN section 1, role map)."""

NOTHING: Mapping[str, object] = MappingProxyType({})


class Member(Struct, frozen=True):
    """One role that runs here.

    *asked* are the keys of its table as they were written, in which a change is worded. *at_least* is the context
    that its gate and its output take together, *max_kv* the most bytes that its cache may have. *on_host* pins it to
    the CPU.
    """

    role: str
    model: ModelSpec
    need: Need
    on_host: bool = False
    at_least: int = 0
    max_kv: int | None = None
    variant: Variant | None = None
    asked: Mapping[str, object] = field(default_factory=lambda: NOTHING)


class Remote(Struct, frozen=True):
    """A role that another machine fills: *engine* says how it is reached; it takes no bytes here."""

    role: str
    model: str
    engine: str
    context_length: int = 0


class Process(Struct, frozen=True):
    """One engine process, and the roles that it answers for."""

    members: tuple[Member, ...]
    seat: Seat
    settings: Settings

    @property
    def role(self) -> str:
        """The role that its entries carry: the first."""
        return self.members[0].role

    @property
    def rank(self) -> int:
        """Its place among the roles; the GPU is for the lowest."""
        return min(ROLES.index(member.role) for member in self.members)

    @property
    def max_kv(self) -> int | None:
        """The most bytes that its cache may have."""
        return min((member.max_kv for member in self.members if member.max_kv is not None), default=None)

    @property
    def gpus(self) -> bool:
        """Whether it may use the GPUs."""
        return bool(self.seat.desk.machine.gpus)

    @property
    def chooses_layers(self) -> bool:
        """Whether its split between GPU and host is left to the plan."""
        return self.gpus and self.seat.need.n_gpu_layers == "auto"

    @property
    def grows(self) -> bool:
        """Whether its context is left to the plan; one that had to be split keeps what it got, as a single model."""
        if isinstance(self.seat.need.ctx_size, int):
            return False
        whole = self.settings.n_gpu_layers in self.seat.desk.whole and not self.settings.n_cpu_moe
        return whole or not self.chooses_layers or self.seat.need.ctx_size == "max"

    def at(self, tokens: int) -> Settings:
        """Its settings with a context of *tokens*."""
        return replace(self.settings, ctx_size=tokens)


class Arrangement(Struct, frozen=True):
    """Processes with settings, and what each takes; all on *machine*."""

    machine: Machine
    processes: tuple[Process, ...]
    ledgers: tuple[Ledger, ...]

    @property
    def ledger(self) -> Ledger:
        """All entries on their devices, each with its role."""
        gpus = tuple(replace(gpu, overhead=0) for gpu in self.machine.gpus)  # each process has brought its own
        bare = replace(self.machine, host=replace(self.machine.host, overhead=0, cell=0), gpus=gpus)
        return bare.ledger({device.name: self._entries(device) for device in bare.devices})

    def _entries(self, device: Device) -> tuple[Entry, ...]:
        return tuple(
            replace(entry, role=process.role)
            for process, ledger in zip(self.processes, self.ledgers, strict=True)
            for entry in entries_on(ledger, device.name)
        )

    @property
    def over_kv(self) -> tuple[Process, ...]:
        """Processes whose cache is larger than it may be."""
        pairs = zip(self.processes, self.ledgers, strict=True)
        return tuple(each for each, ledger in pairs if each.max_kv is not None and kv_bytes(ledger) > each.max_kv)

    @property
    def holds(self) -> bool:
        """Whether every device, and every bound of a cache, holds."""
        return self.ledger.holds and not self.over_kv

    @property
    def shared(self) -> bool:
        """Whether a process has others beside it, which were placed on what it left of the GPUs."""
        return len(self.processes) > 1

    def left_to(self, process: Process) -> Machine:
        """The devices of *process* as the other processes leave them."""
        pairs = zip(self.processes, self.ledgers, strict=True)
        return left(process.seat.desk.machine, [ledger for each, ledger in pairs if each is not process])


def entries_on(ledger: Ledger, device: str) -> tuple[Entry, ...]:
    """What *ledger* plans on *device*, without what others use of it."""
    found = (account for account in ledger.accounts if account.name == device)
    return tuple(entry for account in found for entry in account.entries if entry.what not in OUTSIDE)


def kv_bytes(ledger: Ledger) -> int:
    """Cache and state on all devices."""
    return sum(account.sum("kv_cache") + account.sum("recurrent_state") for account in ledger.accounts)


def left(machine: Machine, ledgers: list[Ledger]) -> Machine:
    """*machine* less what *ledgers* plan on it."""

    def taken(device: Device) -> int:
        return sum(entry.bytes for ledger in ledgers for entry in entries_on(ledger, device.name))

    gpus = tuple(replace(gpu, used=gpu.used + taken(gpu)) for gpu in machine.gpus)
    of_ram = sum(gpu.shared(taken(gpu)) for gpu in machine.gpus)
    return replace(
        machine, host=replace(machine.host, used=machine.host.used + taken(machine.host) + of_ram), gpus=gpus
    )
