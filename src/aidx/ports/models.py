"""The ports to where models are: places that are searched, stores of other programs."""

from collections.abc import Iterable
from typing import Protocol

from aidx.model.found import Resolved, Wanted
from aidx.model.stored import Damaged, Stored


class Source(Protocol):
    """A place where models are found: a folder, the stores on this machine, the catalogue, the hub."""

    def find(self, wanted: Wanted) -> Resolved | None:
        """The model that *wanted* names, ``None`` where it names nothing here; may block on disk or network.

        Raises ``InputError`` for a name that is ours and wrong, ``EngineError`` for one that is known and
        cannot be had.
        """
        ...


class Store(Protocol):
    """The models that another program keeps on this machine, read as they are and never changed."""

    def find(self, reference: str) -> Stored | Damaged | None:
        """What *reference* names, ``None`` where it names nothing; never raises, whatever the files hold."""
        ...

    def models(self) -> Iterable[Stored | Damaged]:
        """Everything in it; never raises, whatever the files hold."""
        ...
