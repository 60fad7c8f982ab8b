"""How often the index finds a function by what its docstring says: R@10 and MRR over the standard library.

Every docstring is taken out of the sources first, so that nothing is found by its own words. A query is the first
sentence of a docstring that no other function has; it counts as found where its function is among the first ten
proposals. Beside it, in the same run: FTS5 with its own tokenizer over the same chunks, which is what one gets
without splitting identifiers and words.

    python benchmarks/recall.py                                   lexical
    python benchmarks/recall.py --embeddings URL --model NAME     dense and hybrid too, with any /v1/embeddings
    python benchmarks/recall.py --gguf FILE                       with a model in the embedded engine, as in aidx index
    python benchmarks/recall.py --store qdrant                    in another store; pgvector needs --url

Prints one JSON object; the standard library is that of the Python that runs it.
"""

import argparse
import ast
import json
import os
import platform
import random
import resource
import sqlite3
import sys
import sysconfig
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from aidx.adapters.embeddings import HttpEmbedder
from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.index._qdrant_edge import EdgePoints
from aidx.adapters.index.fts5 import Fts5Index
from aidx.adapters.index.pgvector import PgvectorIndex
from aidx.adapters.index.qdrant import QdrantIndex
from aidx.adapters.stores.file import read_header
from aidx.budget.settings import Settings
from aidx.gate.admit import limits
from aidx.gate.embed import GateEmbedder
from aidx.pipeline.research.build import build, embed_all
from aidx.pipeline.research.chunk import chunks
from aidx.pipeline.research.rank import Answer, fuse
from aidx.pipeline.research.terms import query_terms
from aidx.ports.engine import Launch
from aidx.ports.retrieval import Embedder, Index, SourceFile

SEED = 7
QUERIES = 1000
FUNCTIONS = 20_000
TOP = 10
DEEP = 50  # of each ranking that goes into the fusion
AWAY = ("site-packages", "test", "tests", "idle_test", "lib2to3", "__pycache__")
Searched = Callable[[str], list[tuple[str, str]]]


class Query(NamedTuple):
    """The first sentence of a docstring, and the function that it stood in."""

    text: str
    path: str
    symbol: str


class Source(NamedTuple):
    """A file without docstrings, the functions in it, and what their docstrings said."""

    file: SourceFile
    functions: int
    queries: list[Query]


def sources(library: Path) -> Iterator[Source]:
    """The files of the standard library that parse, in a fixed order."""
    for path in sorted(library.rglob("*.py")):
        below = path.relative_to(library)
        if not set(below.parts) & set(AWAY):
            found = stripped(below.as_posix(), path.read_bytes())
            if found is not None:
                yield found


def stripped(path: str, data: bytes) -> Source | None:
    """The file at *path* with each docstring replaced by ``...``."""
    try:
        text = data.decode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (ValueError, SyntaxError):
        return None
    lines = text.split("\n")
    queries, count = [], 0
    for node, name in named(tree, ""):
        count += not isinstance(node, ast.ClassDef)
        first = node.body[0] if node.body else None
        if not (
            isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
        ):
            continue
        lines[first.lineno - 1] = f"{' ' * first.col_offset}..."
        for number in range(first.lineno, first.end_lineno or first.lineno):
            lines[number] = ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            queries.append(Query(sentence(first.value.value), path, name))
    return Source(SourceFile(path, "\n".join(lines).encode()), count, queries)


def named(
    node: ast.AST, prefix: str
) -> Iterator[tuple[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Every definition that is a chunk of its own, and classes and modules: functions inside functions are not."""
    if isinstance(node, ast.Module):
        yield node, ""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, f"{prefix}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from named(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try | ast.With):
            yield from named(child, prefix)


def sentence(docstring: str) -> str:
    """Its first sentence, on one line."""
    text = " ".join(docstring.split())
    return text.split(". ")[0]


def score(search: Searched, queries: list[Query]) -> dict[str, float]:
    """R@10, MRR within ten, and how long a query takes."""
    ranks, took = [], []
    cpu = time.process_time()
    for query in queries:
        begun = time.perf_counter()
        found = search(query.text)
        took.append(time.perf_counter() - begun)
        wanted = (query.path, query.symbol)
        ranks.append(found.index(wanted) + 1 if wanted in found else 0)
    return {
        "recall_at_10": round(sum(rank > 0 for rank in ranks) / len(ranks), 3),
        "mrr": round(sum(1 / rank for rank in ranks if rank) / len(ranks), 3),
        "query_cpu_ms": round((time.process_time() - cpu) / len(queries) * 1000, 2),
        "query_p50_ms": round(median(took) * 1000, 2),
        "query_p99_ms": round(quantiles(took, n=100)[-1] * 1000, 2),
    }


def proposed(index: Index, embedder: Embedder | None, hows: set[str]) -> Searched:
    """The first ten proposals by the searches *hows*."""

    def search(text: str) -> list[tuple[str, str]]:
        answers = []
        if "terms" in hows:
            answers.append(Answer("project", "terms", index.match(query_terms(text), DEEP)))
        if "meaning" in hows and embedder is not None:
            answers.append(Answer("project", "meaning", index.near(embedder.embed([text])[0], DEEP)))
        return [(each.chunk.path, each.chunk.symbol) for each in fuse(answers, text, TOP)]

    return search


def plain(sample: list[SourceFile]) -> Searched:
    """FTS5 as it comes: the same chunks, its own tokenizer, the words of the query."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE words USING fts5 (text, path UNINDEXED, symbol UNINDEXED)")
    for file in sample:
        rows = [(f"{c.symbol} {c.text}", c.path, c.symbol) for c in chunks(file.path, file.data.decode())]
        db.executemany("INSERT INTO words VALUES (?, ?, ?)", rows)

    def search(text: str) -> list[tuple[str, str]]:
        words = " OR ".join(
            f'"{word}"' for word in dict.fromkeys("".join(c if c.isalnum() else " " for c in text).split())
        )
        rows = db.execute(
            "SELECT path, symbol, -rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (words, DEEP)
        )
        return list(dict.fromkeys((path, symbol) for path, symbol, _ in rows))[:TOP]

    return search


def sampled(every: list[Source], most: int) -> tuple[list[SourceFile], list[Query]]:
    """Files with about *most* functions, and queries whose sentence stands in one docstring only."""
    dice = random.Random(SEED)
    dice.shuffle(every)
    files, queries, functions = [], [], 0
    for source in every:
        if functions >= most:
            break
        functions += source.functions
        files.append(source.file)
        queries += source.queries
    often = Counter(query.text for query in queries)
    single = [query for query in queries if often[query.text] == 1 and len(query.text.split()) > 2]
    return files, dice.sample(single, min(QUERIES, len(single)))


def opened(store: str, folder: Path, url: str | None) -> Index:
    """An empty *store*."""
    if store == "qdrant":
        return QdrantIndex(EdgePoints(folder / "qdrant"))
    if store == "pgvector":
        return PgvectorIndex(url or "", f"recall {folder}")
    return Fts5Index(folder / "index.sqlite")


class Engines:
    """The model at *path* on the CPU in *count* engines of one thread, with all the context it was trained with."""

    def __init__(self, path: str, count: int) -> None:
        header = read_header(path).header
        size = int(str(header.metadata[f"{header.metadata['general.architecture']}.context_length"]))
        settings = Settings(ctx_size=size)
        self.name = Path(path).stem
        launch = Launch(path, self.name, settings, threads=1, embedding=True)
        self._threads = [ThreadPoolExecutor(1) for _ in range(count)]
        self._engines = [
            GateEmbedder(self.name, lambda: ENGINE.start(launch), limits(settings, size), time.monotonic)
            for _ in range(count)
        ]

    def embed(self, texts: Iterable[str]) -> tuple[tuple[float, ...], ...]:
        """See ``retrieval.Embedder``; every engine gets its share."""
        waiting, count = list(texts), len(self._engines)
        shares = [
            thread.submit(embed_all, engine, waiting[number::count])
            for number, (thread, engine) in enumerate(zip(self._threads, self._engines, strict=True))
        ]
        found = [share.result() for share in shares]
        return tuple(found[number % count][number // count] for number in range(len(waiting)))

    def close(self) -> None:
        """Stop them."""
        for thread, engine in zip(self._threads, self._engines, strict=True):
            thread.submit(engine.close).result()
            thread.shutdown()


def measured(index: Index, embedder: Embedder | None, queries: list[Query]) -> dict[str, dict[str, float]]:
    """Each kind of search that *index* can do."""
    found = {"lexical": score(proposed(index, None, {"terms"}), queries)}
    if embedder is not None:
        found["dense"] = score(proposed(index, embedder, {"meaning"}), queries)
        found["hybrid"] = score(proposed(index, embedder, {"terms", "meaning"}), queries)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="fts5", choices=["fts5", "qdrant", "pgvector"])
    parser.add_argument("--url", help="the database of pgvector")
    parser.add_argument("--embeddings", help="an engine's address; /v1/embeddings is asked")
    parser.add_argument("--model", default="embedder")
    parser.add_argument("--gguf", help="a model that makes vectors, for the embedded engine")
    parser.add_argument("--engines", type=int, default=os.cpu_count() or 1, help="so many engines of one thread")
    parser.add_argument("--keep", metavar="DIR", help="keep the index there; the next run goes on where this one ended")
    parser.add_argument("--functions", type=int, default=FUNCTIONS, help="about so many functions; fewer are easier")
    options = parser.parse_args()
    files, queries = sampled(list(sources(Path(sysconfig.get_path("stdlib")))), options.functions)
    embedder: Embedder | None = None
    if options.gguf is not None:
        embedder = Engines(options.gguf, options.engines)
    elif options.embeddings is not None:
        embedder = HttpEmbedder(options.embeddings, options.model)
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as folder:
        index = opened(options.store, Path(folder), options.url)
        begun, cpu = time.perf_counter(), time.process_time()
        build(files, index, embedder=embedder, tell=lambda line: print(line, file=sys.stderr, flush=True))
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        begun = time.perf_counter()
        build(files, index, embedder=embedder)
        again = time.perf_counter() - begun
        results = {"fts5_as_it_comes": score(plain(files), queries), **measured(index, embedder, queries)}
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        index.close()
    if embedder is not None:
        embedder.close()
    found = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "store": options.store,
        "files": len(files),
        "chunks": sum(len(chunks(file.path, file.data.decode())) for file in files),
        "queries": len(queries),
        "embedder": None if embedder is None else embedder.name,
        "index_s": round(seconds, 2),
        "index_cpu_s": round(cpu, 2),
        "index_again_s": round(again, 2),
        "disk_mb": round(disk / 1e6, 1),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **results,
    }
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
