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
    from aidx.pipeline.research.choose import Candidate
    from aidx.pipeline.research.chunk import Outline
    from aidx.pipeline.research.rank import Proposal

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


def finder(
    settled: "Settled", root: str, tell: Callable[[str], object]
) -> "Callable[[str, int], tuple[Candidate, ...]]":
    """What proposes parts of the files below *root*: its index, brought up to date when it is first asked."""

    def find(query: str, limit: int) -> "tuple[Candidate, ...]":
        from contextlib import closing

        from aidx.pipeline.research.build import build
        from aidx.pipeline.research.search import search

        with closing(walk(root)) as files, embedder(settled) as model, stock(settled, root) as indexes:
            built = build(files, indexes.indexes["project"], embedder=model, outline=outline())
            for each in built.skipped:
                tell(f"research: {each.path} is not indexed: {each.reason}")
            tell(f"research: {built.files} files indexed, {built.added + built.changed + built.removed} of them anew")
            found = search(query, indexes.indexes, limit, model)
        cost = token_cost(settled)
        return tuple(_candidate(each, cost) for each in found)

    return find


def _candidate(found: "Proposal", cost: TokenCost) -> "Candidate":
    from aidx.pipeline.research.choose import Candidate

    chunk = found.chunk
    tokens, exact = cost.count(chunk.text), cost.grade == "exact"
    return Candidate(found.namespace, found.target, chunk.first, chunk.last, chunk.text, tokens, exact, found.why)
