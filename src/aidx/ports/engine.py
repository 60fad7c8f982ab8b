"""The ports to an engine: how it is started, what it says that it took, how it ends."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from aidx.budget.ledger import Entry
from aidx.budget.settings import Settings
from aidx.patterns.prompt import Counting
from aidx.plan.files import NO_FILES, Files
from aidx.ports.chat import Chat


class Launch(Struct, frozen=True):
    """What an engine is started with: a model file, the name it answers to, the planned settings.

    *threads* ``None`` takes the physical cores that this process may use; *beside* are files that are loaded along:
    none of them lies on a GPU where none of the model does, and all of a draft model does where some of the model
    does. With *embedding* it turns texts into vectors and answers nothing else. With *urls* the engine runs already,
    there: it is attached to, with *key* where it wants one, and *path* is empty unless the model is a file here as
    well. *under* is a command that the engine's own is appended to: it sets a ceiling and then becomes the engine.
    *trained* is where the model's training ends its sequences; *counting* is how a service's prompts are counted.
    """

    path: str
    name: str
    settings: Settings
    threads: int | None = None
    beside: Files = NO_FILES
    embedding: bool = False
    urls: tuple[str, ...] = ()
    key: str | None = None
    under: tuple[str, ...] = ()
    trained: int | None = None
    counting: Counting = "estimated"

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "key")
        return f"Launch({', '.join(shown)})"


class Allocated(Struct, frozen=True):
    """What a running engine says that it allocated, by device (``gpu0``, …, ``host``).

    Entries are graded ``measured`` and true to *resolution* bytes each; several of one kind (two buffer
    types, two caches of a sliding-window model) stand beside each other. *resident* is the memory of the
    engine's process when it was asked (0: not ours to see); *build* names the engine. *assumed* are settings that it
    does not tell: they are taken to be as planned.
    """

    devices: Mapping[str, tuple[Entry, ...]]
    n_ctx: int
    build: str
    resolution: int
    resident: int
    assumed: tuple[str, ...] = ()


class Deployment(Protocol):
    """A running engine with one model; ``pid`` is its process, ``None`` where it is not ours."""

    @property
    def pid(self) -> int | None:
        """The process to measure."""
        ...

    def chat(self) -> Chat:
        """The way to talk to it, for the running event loop; the caller closes it."""
        ...

    def allocated(self) -> Allocated:
        """Its own account of its buffers."""
        ...

    async def ended(self) -> str:
        """Wait until the engine is gone, for whatever reason, and say why in words."""
        ...

    def stop(self) -> None:
        """End it and wait until it is gone, a few seconds at most; stopping twice is allowed."""
        ...


class Engine(Protocol):
    """Something that can run a model."""

    def start(self, launch: Launch) -> Deployment:
        """Load the model and wait until it has answered a request of one token; blocks for as long as that takes.

        One that runs already is read back instead, where it says anything of itself. Raises ``EngineError`` when the
        engine is missing, cannot load the model, or sees no GPU where layers were planned on one, ``BudgetError``
        when one that runs already has less context than planned. Nothing of ours is left running then.
        """
        ...
