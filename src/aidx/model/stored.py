"""What other programs' stores hold and what a download brought, as values."""

from msgspec import Struct

from aidx.model.pick import RepoFile
from aidx.model.spec import SourceName


class Stored(Struct, frozen=True):
    """A model in a local store: *name* as that store's tool takes it, *path* of its (first) file or folder.

    *beside* says what comes with it: a projector, an adapter.
    """

    name: str
    store: SourceName
    path: str
    beside: tuple[str, ...] = ()


class Damaged(Struct, frozen=True):
    """What a store lists and cannot be used: *name*, *why* in words, and what to do about it."""

    name: str
    store: SourceName
    why: str
    hint: str


class Listed(Struct, frozen=True):
    """A stored model with what its header says; *checkpoint* is one that would have to be converted."""

    name: str
    store: SourceName
    path: str
    file_bytes: int
    quantization: str
    architecture: str
    context_length: int
    parameters: int
    beside: tuple[str, ...]
    checkpoint: bool


class PulledFile(Struct, frozen=True):
    """A file in the cache; *fetched* is false where it was there already."""

    file: RepoFile
    path: str
    fetched: bool


class Pulled(Struct, frozen=True):
    """A model that was fetched: the files of *repo* at *commit*, in order."""

    name: str
    repo: str
    commit: str
    files: tuple[PulledFile, ...]
