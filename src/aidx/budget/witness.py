"""What a proof needs of the world: who sees an engine's memory, and what holds it down. Ports, like those above."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from aidx.budget.proof import CeilingKind


class Held(Struct, frozen=True):
    """What one process holds in RAM, in bytes, and the most that it ever held; *name* is the system's for it."""

    pid: int
    name: str
    resident: int
    peak: int


class Sample(Struct, frozen=True):
    """The memory of an engine's processes at one moment, in bytes.

    *resident* is what they hold in RAM and *anonymous* the part of it that no file backs; *peak* is the most that
    they ever held, by the kernel's own mark, so that nothing between two samples is missed. *gpus* is what they
    hold on each GPU (``gpu0``, …) that can be looked into. *each* is one process after the other.
    """

    resident: int
    anonymous: int
    peak: int
    processes: int
    gpus: Mapping[str, int]
    each: tuple[Held, ...] = ()


class Sampler(Protocol):
    """Something that sees the memory of one engine: its process and all that come from it."""

    def read(self) -> Sample | None:
        """The moment; ``None`` where nothing can be seen. Takes about a millisecond, never raises."""
        ...


class Ceiling(Protocol):
    """A limit on memory that the system enforces: a process that exceeds it is killed."""

    @property
    def kind(self) -> CeilingKind:
        """What enforces it."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def under(self) -> tuple[str, ...]:
        """The command that puts a process under it; see ``Launch.under``."""
        ...

    def processes(self) -> tuple[int, ...]:
        """The processes that are under it now."""
        ...

    def holds(self, pid: int) -> bool:
        """Whether the system says that *pid* is under a limit of just this size."""
        ...

    def kills(self) -> int:
        """How many processes it has killed."""
        ...

    def close(self) -> None:
        """End what is still under it, and remove it; closing twice is allowed."""
        ...


@runtime_checkable
class Queues(Protocol):
    """A ``Chat`` of an endpoint that lets requests wait by itself."""

    def queued(self) -> int:
        """The most that were seen to wait at the same time."""
        ...


@runtime_checkable
class Occupied(Protocol):
    """A ``Chat`` whose engine says how much of its KV cache is in use."""

    async def cells(self) -> int:
        """Tokens that the slots keep at this moment, idle ones too; ``EngineError`` where it does not say."""
        ...
