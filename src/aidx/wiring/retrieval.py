"""What research works with: the files of a tree, stores of chunks, a model that embeds, what knows other languages."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from aidx.errors import InputError
from aidx.ports.retrieval import Embedder, Index

if TYPE_CHECKING:
    from pathlib import Path

    from aidx.adapters.grammar import Grammars
    from aidx.adapters.walk import Walk
    from aidx.config.merge import Settled
    from aidx.config.values import IndexTable, RoleTable
    from aidx.pipeline.research.choose import Candidate
    from aidx.pipeline.research.rank import Proposal

Namespace = Literal["project", "global"]
ASSUMED_BYTES = 3  # a token, of code: real ones have 3.2 to 4.5, so the figure is on the high side


class TokenCost(Struct, frozen=True):
    """How many tokens a text is: *by* whose count, and how far to trust it."""

    count: Callable[[str], int]
    by: str
    grade: Literal["exact", "assumed"]


class Stock(Struct, frozen=True):
    """The indexes that are there, by namespace; *place* says where the one is that is written."""

    indexes: Mapping[str, Index]
    place: str


def walk(root: str) -> "Walk":
    """The files below *root*; ``InputError`` where that is no folder."""
    from aidx.adapters.walk import Walk

    return Walk(root)


@contextmanager
def stock(settled: "Settled", root: str, writing: Namespace = "project", *, leaving: bool = True) -> Iterator[Stock]:
    """The index of the project at *root* and the shared one, as configured; *writing* is made where it is not there.

    Without *leaving* what had to be made is gone afterwards, and its place is ''. Raises ``EngineError`` where the
    store is missing, busy or broken.
    """
    with ExitStack() as held:
        found: dict[str, Index] = {}
        place = ""
        for namespace in ("project", "global"):
            index, where = _open(settled, root, namespace, make=namespace == writing and leaving)
            if index is None and namespace == writing:
                index, where = _passing(settled, held), ""
            if index is not None:
                held.callback(index.close)
                found[namespace] = index
            place = where if namespace == writing else place
        yield Stock(found, place)


def _passing(settled: "Settled", held: ExitStack) -> Index:
    """An index in a folder of its own, which goes with *held*."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    folder = held.enter_context(TemporaryDirectory(prefix="aidx-index-"))
    return _store(settled.config.index.store, Path(folder, "index"))


def _open(settled: "Settled", root: str, namespace: str, *, make: bool) -> tuple[Index | None, str]:
    """The store of *namespace* (``None`` where it is not there and nobody writes it), and where it is."""
    table = settled.config.index
    if table.store == "pgvector":
        return _pgvector(table, root, namespace)
    if table.url is not None and table.store == "qdrant":
        return _qdrant_server(table, root, namespace)
    if table.url is not None or table.api_key_env is not None:
        raise InputError(f"[index] url and api_key_env name a server, and {table.store} has none", hint="Omit them.")
    return _local(table.store, root, namespace, make=make)


def _pgvector(table: "IndexTable", root: str, namespace: str) -> tuple[Index, str]:
    from urllib.parse import urlsplit

    from aidx.adapters.index.pgvector import PgvectorIndex

    if table.url is None:
        hint = 'Add url = "postgresql://USER@HOST/DATABASE" to [index].'
        raise InputError('store = "pgvector" needs the address of a database', hint=hint)
    parts = urlsplit(table.url)
    if parts.scheme not in {"postgresql", "postgres"} or parts.password is not None:
        hint = 'Write url = "postgresql://USER@HOST/DATABASE", and the variable of the password into api_key_env.'
        raise InputError("[index] url is no address of a database, or has a password in it (not shown)", hint=hint)
    return PgvectorIndex(
        table.url, _known_as(root, namespace), _secret(table)
    ), f"PostgreSQL at {parts.hostname or 'here'}"


def _qdrant_server(table: "IndexTable", root: str, namespace: str) -> tuple[Index, str]:
    import hashlib
    from urllib.parse import urlsplit

    from aidx.adapters.index._qdrant_server import ServerPoints, client
    from aidx.adapters.index.qdrant import QdrantIndex

    parts = urlsplit(table.url or "")
    if parts.scheme not in {"http", "https"} or parts.password is not None or not parts.hostname:
        raise InputError("[index] url is no address of a Qdrant server", hint="Write http://HOST:6333.")
    collection = f"aidx-{hashlib.sha256(_known_as(root, namespace).encode()).hexdigest()[:16]}"
    points = ServerPoints(client(table.url or "", _secret(table)), collection)
    return QdrantIndex(points), f"Qdrant at {parts.hostname}"


def _secret(table: "IndexTable") -> str | None:
    from aidx.wiring.engines import variable

    return None if table.api_key_env is None else variable(table.api_key_env)


def _known_as(root: str, namespace: str) -> str:
    """What a server that several people use knows a namespace by: a project by its machine and its place there."""
    import platform
    from pathlib import Path

    return namespace if namespace == "global" else f"{namespace} {platform.node()}:{Path(root).resolve()}"


def _local(store: str, root: str, namespace: str, *, make: bool) -> tuple[Index | None, str]:
    from pathlib import Path

    from aidx.adapters.ownfolder import own_file, shared_file

    name = "index/fts5.sqlite" if store == "fts5" else "index/qdrant"
    shared = namespace == "global"
    path = shared_file(name) if shared else Path(root) / ".aidx" / name
    shown = str(path) if shared else f".aidx/{name}"
    if not make and not path.exists():
        return None, shown
    if not shared:
        path = own_file(root, name)
    return _store(store, path), shown


def _store(store: str, path: "Path") -> Index:
    if store == "fts5":
        from aidx.adapters.index.fts5 import Fts5Index

        return Fts5Index(path)
    from aidx.adapters.index._qdrant_edge import EdgePoints
    from aidx.adapters.index.qdrant import QdrantIndex

    return QdrantIndex(EdgePoints(path))


def grammars() -> "Grammars":
    """What knows where definitions stand in other languages than Python, as far as it is installed."""
    from aidx.adapters.grammar import Grammars

    return Grammars()


@contextmanager
def embedder(settled: "Settled") -> Iterator[Embedder | None]:
    """The model of the role ``embedder``; ``None`` where none is configured.

    One that runs here does so on the CPU, and is started when it is first asked. Raises what planning it raises.
    """
    table = settled.config.roles.get("embedder")
    if table is None:
        yield None
        return
    found = _embedder(settled, table)
    try:
        yield found
    finally:
        found.close()


def _embedder(settled: "Settled", table: "RoleTable") -> Embedder:
    import time
    from contextlib import closing

    from aidx import wiring
    from aidx.adapters.embeddings import HttpEmbedder
    from aidx.advise import deploy
    from aidx.gate.embed import GateEmbedder
    from aidx.plan.need import Need
    from aidx.plan.wish import Wish
    from aidx.wiring.engines import fill, variable

    if table.url is not None:
        key = None if table.api_key_env is None else variable(table.api_key_env)
        return HttpEmbedder(table.urls[0], table.model or "", key)
    members = wiring.configured(settled, Need(environment=wiring.engine_environment())).members
    mine = [member for member in members if member.role == "embedder"]
    if not mine:
        raise InputError("roles.embedder: its engine needs an address", hint="Add url to [roles.embedder].")
    with closing(wiring.prober()) as prober:
        plan = wiring.held(deploy(mine, wiring.machine(Wish(vram=(0,))), prober))
    filled = fill(plan, table)
    return GateEmbedder(filled.model, filled.start, filled.limits, time.monotonic)


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
    settled: "Settled", root: str, tell: Callable[[str], object], *, leaving: bool = True
) -> "Callable[[str, int], tuple[Candidate, ...]]":
    """What proposes parts of the files below *root*: its index, brought up to date when it is first asked.

    Without *leaving* an index that is not there yet is made for the moment, and of one that is there it is told.
    """

    def find(query: str, limit: int) -> "tuple[Candidate, ...]":
        from contextlib import closing

        from aidx.pipeline.research.build import build
        from aidx.pipeline.research.search import search

        with closing(walk(root)) as files, embedder(settled) as model, stock(settled, root, leaving=leaving) as indexes:
            known = grammars()
            built = build(files, indexes.indexes["project"], embedder=model, outline=known)
            anew = built.added + built.changed
            left = f"; {len(built.skipped)} not, as aidx index says" if built.skipped else ""
            if not leaving:
                kept = f"the index in {indexes.place} is brought up to date" if indexes.place else "no index is kept"
                tell(f"research: {kept}; a dry run writes nothing else")
            tell(f"research: {built.files} files indexed, {anew} of them anew{left}")
            if known.missing:
                tell(f"research: cut by lines: {without(known.missing)}")
            found = search(query, indexes.indexes, limit, model)
        cost = token_cost(settled)
        return tuple(_candidate(each, cost) for each in found)

    return find


def without(missing: Collection[str]) -> str:
    """What is missing where files of some languages are cut by lines, in words."""
    return f"{', '.join(sorted(missing))} not installed (pip install 'aidx-local[code]')"


def _candidate(found: "Proposal", cost: TokenCost) -> "Candidate":
    from aidx.pipeline.research.choose import Candidate

    chunk = found.chunk
    tokens, exact = cost.count(chunk.text), cost.grade == "exact"
    return Candidate(found.namespace, found.target, chunk.first, chunk.last, chunk.text, tokens, exact, found.why)
