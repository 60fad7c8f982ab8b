"""``aidx index``: bring the retrieval index of a tree up to date, and search it."""

import json
from typing import TYPE_CHECKING, NamedTuple

import click

from aidx.cli._options import common, settings
from aidx.errors import InputError

if TYPE_CHECKING:
    from aidx.pipeline.research.build import Built
    from aidx.pipeline.research.rank import Proposal
    from aidx.wiring.retrieval import TokenCost

SCHEMA = "aidx.index/1"


class Done(NamedTuple):
    """What was indexed, where, and what was found."""

    store: str
    place: str
    namespace: str
    root: str
    embedder: str | None
    built: "Built"
    ignored: int
    query: str | None
    found: "tuple[Proposal, ...]"
    cost: "TokenCost"
    missing: tuple[str, ...]


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path())
@click.option("--query", metavar="Q", help="Search for Q, in both namespaces.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Most proposals for --query."
)
@click.option(
    "--namespace",
    type=click.Choice(["project", "global"]),
    default="project",
    show_default=True,
    help="Where DIR belongs: to this project, or to what all projects share.",
)
@common
def command(
    folder: str, *, query: str | None, limit: int, namespace: str, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Index the files below DIR (the current folder) and, with --query, search them.

    Only files that changed are read into the index again. What .gitignore names is left out, links are not
    followed, and every other file that is not indexed is named with the reason.
    """
    del verbose
    if query is not None and not query.strip():
        raise InputError("the query is empty", hint="Say what to look for, in words or identifiers.")
    done = _run(folder, query, limit, namespace, quiet=quiet or as_json)
    click.echo(json.dumps(_contract(done)) if as_json else "\n".join(_lines(done, quiet=quiet)))
    return 0


def _run(folder: str, query: str | None, limit: int, namespace: str, *, quiet: bool) -> Done:
    from contextlib import closing

    from aidx.pipeline.research.build import build
    from aidx.pipeline.research.search import search
    from aidx.wiring import retrieval

    settled = settings()
    with (
        closing(retrieval.walk(folder)) as walk,
        retrieval.embedder(settled) as embedder,
        retrieval.stock(settled, folder, "global" if namespace == "global" else "project") as stock,
    ):
        grammars = retrieval.grammars()
        prefix = f"{walk.root}/" if namespace == "global" else ""
        built = build(
            walk.below(prefix),
            stock.indexes[namespace],
            embedder=embedder,
            outline=grammars,
            within=lambda path: path.startswith(prefix),
            tell=(lambda _: None) if quiet else (lambda line: click.echo(f"aidx: {line}", err=True)),
        )
        found = () if query is None else search(query, stock.indexes, limit, embedder)
        name = None if embedder is None else embedder.name
        cost = retrieval.token_cost(settled)
        store = settled.config.index.store
        missing = tuple(sorted(grammars.missing))
        root = str(walk.root)
        return Done(store, stock.place, namespace, root, name, built, walk.ignored, query, found, cost, missing)


def _lines(done: Done, *, quiet: bool) -> list[str]:
    from aidx.cli._text import safe
    from aidx.wiring.retrieval import without

    built = done.built
    lines = []
    if not quiet:
        lines = [f"{safe(each.path)}: not indexed: {safe(each.reason)}" for each in built.skipped]
        if done.missing:
            lines.append(f"cut by lines: {without(done.missing)}")
        changes = f"{built.added} new, {built.changed} changed, {built.removed} gone, {built.unchanged} as before"
        ignored = f"; {done.ignored} path{'s' * (done.ignored > 1)} ignored" if done.ignored else ""
        lines.append(f"{built.files} files in {safe(done.place)}: {changes}{ignored}")
    if done.query is None:
        return lines
    if not done.found:
        return [*lines, "nothing found"]
    mark = "" if done.cost.grade == "exact" else "~"
    for each in done.found:
        chunk = each.chunk
        tokens = f"{mark}{done.cost.count(chunk.text)} tokens"
        where = "" if each.namespace == done.namespace else f", {each.namespace}"
        name = chunk.symbol if each.target == chunk.path and chunk.symbol else ""
        title = f" ({safe(name)})" if name else ""
        lines.append(f"{safe(each.target)}{title}: lines {chunk.first}-{chunk.last}, {tokens}{where}")
        lines += [f"  {safe(reason)}" for reason in each.why]
    if not quiet and done.cost.grade == "assumed":
        lines.append(f"tokens are assumed: {done.cost.by}")
    return lines


def _contract(done: Done) -> dict[str, object]:
    from aidx.pipeline.research.build import counts

    return {
        "schema": SCHEMA,
        "store": done.store,
        "place": done.place,
        "namespace": done.namespace,
        "root": done.root,
        "embedder": done.embedder,
        "files": {**counts(done.built), "ignored_paths": done.ignored},
        "skipped": [{"path": each.path, "reason": each.reason} for each in done.built.skipped],
        "missing_grammars": list(done.missing),
        "query": done.query,
        "tokens_by": done.cost.by,
        "tokens_grade": done.cost.grade,
        "proposals": [
            {
                "target": each.target,
                "path": each.chunk.path,
                "symbol": each.chunk.symbol or None,
                "kind": each.chunk.kind,
                "first_line": each.chunk.first,
                "last_line": each.chunk.last,
                "namespace": each.namespace,
                "score": each.score,
                "tokens": done.cost.count(each.chunk.text),
                "reasons": list(each.why),
            }
            for each in done.found
        ],
    }
