"""What research works with: the files of a tree, stores of chunks, a model that embeds, what knows other languages."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aidx.errors import InputError
from aidx.retrieval import Embedder, Index

if TYPE_CHECKING:
    from aidx.adapters.walk import Walk
    from aidx.config.merge import Settled
    from aidx.pipeline.research.chunk import Outline

Namespace = Literal["project", "global"]
ASSUMED_BYTES = 3  # a token, of code: real ones have 3.2 to 4.5, so the figure is on the high side


@dataclass(frozen=True, slots=True)
class TokenCost:
    """How many tokens a text is: *by* whose count, and how far to trust it."""

    count: Callable[[str], int]
    by: str
    grade: Literal["exact", "assumed"]


@dataclass(frozen=True, slots=True)
class Stock:
    """The indexes that are there, by namespace; *place* says where the one is that is written."""

    indexes: Mapping[str, Index]
    place: str


def walk(root: str) -> "Walk":
    """The files below *root*; ``InputError`` where that is no folder."""
    from aidx.adapters.walk import Walk

    return Walk(root)


@contextmanager
def stock(settled: "Settled", root: str, writing: Namespace = "project") -> Iterator[Stock]:
    """The index of the project at *root* and the shared one, as configured; *writing* is made where it is not there.

    Raises ``EngineError`` where the store is missing, busy or broken.
    """
    with ExitStack() as held:
        found: dict[str, Index] = {}
        place = ""
        for namespace in ("project", "global"):
            index, where = _open(settled, root, namespace, make=namespace == writing)
            if index is not None:
                held.callback(index.close)
                found[namespace] = index
            place = where if namespace == writing else place
        yield Stock(found, place)


def _open(settled: "Settled", root: str, namespace: str, *, make: bool) -> tuple[Index | None, str]:
    table = settled.config.index
    if table.store == "fts5":
        return _fts5(root, namespace, make=make)
    raise InputError(f"the store {table.store} is not there yet", hint='Use store = "fts5".')


def _fts5(root: str, namespace: str, *, make: bool) -> tuple[Index | None, str]:
    from pathlib import Path

    from aidx.adapters.index.fts5 import Fts5Index
    from aidx.adapters.ownfolder import own_file, shared_file

    name = "index/fts5.sqlite"
    if namespace == "global":
        path, shown = shared_file(name), str(shared_file(name))
        return (Fts5Index(path) if make or path.exists() else None), shown
    there = (Path(root) / ".aidx" / name).exists()
    return (Fts5Index(own_file(root, name)) if make or there else None), f".aidx/{name}"


def outline() -> "Outline | None":
    """What knows where definitions stand in other languages than Python; ``None`` without grammars."""
    return None


@contextmanager
def embedder(settled: "Settled") -> Iterator[Embedder | None]:
    """The model of the role ``embedder``; ``None`` where none is configured."""
    del settled
    yield None


def token_cost(settled: "Settled") -> TokenCost:
    """Who counts: the Architect's tokenizer, or the Editor's, where its model is a file here, else nobody."""
    from aidx.plan.need import Need
    from aidx.wiring.engines import own_count
    from aidx.wiring.roles import configured

    if settled.config.roles:
        members = {member.role: member.model for member in configured(settled, Need()).members}
        for role in ("architect", "editor"):
            model = members.get(role)
            own = None if model is None or model.path is None else own_count(model.path)
            if model is not None and own is not None:
                return TokenCost(own.tokens.count, model.name, "exact")
    return TokenCost(lambda text: -(-len(text.encode()) // ASSUMED_BYTES), f"{ASSUMED_BYTES} bytes a token", "assumed")
