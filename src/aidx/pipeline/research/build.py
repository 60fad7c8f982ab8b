"""Brings an index up to date with a tree: what changed is cut, embedded and filed again, and nothing else."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from aidx.errors import InputError
from aidx.pipeline.edit.document import read
from aidx.pipeline.edit.refusal import EditRefusedError
from aidx.pipeline.research.chunk import VERSION, chunks
from aidx.pipeline.research.terms import chunk_terms
from aidx.ports.retrieval import Chunk, Embedder, Filed, Index, Outline, Piece, Skipped, SourceFile, TextRefusedError

BATCH = 64  # chunks that are embedded at once
FILED = 1024  # chunks that are filed at once where nobody embeds them: what a cut-off run loses
Tell = Callable[[str], object]


class Built(Struct):
    """What became of the files: how many were *added*, *changed* and *removed*; *skipped* names the others."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    chunks: int = 0
    skipped: tuple[Skipped, ...] = ()

    @property
    def files(self) -> int:
        """Files that are in the index now."""
        return self.added + self.changed + self.unchanged


def stamp(data: bytes, embedder: str = "", grammar: str = "") -> str:
    """What a file's pieces are made of and how: its bytes, our rules, the grammar, the model that embeds them."""
    return f"{VERSION}:{embedder}:{grammar}:{hashlib.sha256(data).hexdigest()}"


def build(
    found: Iterable[SourceFile | Skipped],
    index: Index,
    *,
    embedder: Embedder | None = None,
    outline: Outline | None = None,
    within: Callable[[str], bool] = lambda _: True,
    tell: Tell = lambda _: None,
) -> Built:
    """Make *index* hold what *found* holds; paths of it that are *within* and were not found are dropped."""
    before = index.stamps()
    name = "" if embedder is None else embedder.name
    built = Built()
    skipped: list[Skipped] = []
    seen: set[str] = set()
    waiting: list[Filed] = []
    batch = FILED if embedder is None else BATCH
    for each in found:
        if isinstance(each, Skipped):
            skipped.append(each)
            continue
        mark = stamp(each.data, name, "" if outline is None else outline.version(each.path))
        if before.get(each.path) == mark:
            seen.add(each.path)
            built.unchanged += 1
            continue
        try:
            text = read(each.data).text
        except EditRefusedError as refused:
            skipped.append(Skipped(each.path, refused.reason if refused.reason == "binary" else str(refused)))
            continue
        seen.add(each.path)
        built.added += each.path not in before
        built.changed += each.path in before
        waiting.append(_filed(each.path, mark, chunks(each.path, text, outline)))
        if sum(len(file.pieces) for file in waiting) >= batch:
            built.chunks += _put(index, waiting, embedder)
            tell(f"index: {built.added + built.changed} files, {built.chunks} chunks")
            waiting = []
    gone = [path for path in before if path not in seen and within(path)]
    built.chunks += _put(index, waiting, embedder, gone)
    built.removed, built.skipped = len(gone), tuple(skipped)
    return built


def _filed(path: str, mark: str, found: Sequence[Chunk]) -> Filed:
    return Filed(path, mark, tuple(Piece(chunk, chunk_terms(chunk)) for chunk in found))


def _put(index: Index, files: Sequence[Filed], embedder: Embedder | None, gone: Sequence[str] = ()) -> int:
    if files or gone:
        index.put(files if embedder is None else list(_embedded(files, embedder)), gone)
    return sum(len(file.pieces) for file in files)


def _embedded(files: Sequence[Filed], embedder: Embedder) -> Iterator[Filed]:
    every = [piece for file in files for piece in file.pieces]
    vectors: list[tuple[float, ...]] = []
    for start in range(0, len(every), BATCH):
        vectors += embed_all(embedder, [embedded_text(piece.chunk) for piece in every[start : start + BATCH]])
    made = iter(vectors)
    for file in files:
        yield Filed(file.path, file.stamp, tuple(Piece(p.chunk, p.terms, next(made)) for p in file.pieces))


def embedded_text(chunk: Chunk) -> str:
    """What a model is shown of *chunk*: its name and its text."""
    return f"{chunk.path} {chunk.symbol}\n{chunk.text}".strip()


def embed_all(embedder: Embedder, texts: Sequence[str]) -> list[tuple[float, ...]]:
    """A vector for each of *texts*; one that is too long for the model is embedded in two halves, and their mean taken.

    So nothing of it is cut off unseen. Raises ``InputError`` where even a single character is refused.
    """
    try:
        return list(embedder.embed(texts))
    except TextRefusedError as refused:
        at = len(refused.done)
        whole = _mean(embed_all(embedder, _halves(texts[at])))
        return [*refused.done, whole, *embed_all(embedder, texts[at + 1 :])]
    except InputError:
        if len(texts) == 1:
            return [_mean(embed_all(embedder, _halves(texts[0])))]
    middle = len(texts) // 2
    return [*embed_all(embedder, texts[:middle]), *embed_all(embedder, texts[middle:])]


def _halves(text: str) -> list[str]:
    """*text* in two, at a line's end if there is one in its middle half."""
    middle = len(text) // 2
    if not middle:
        raise InputError("the embedding model takes no text at all", hint="Check the role's model: [roles.embedder].")
    near = text.find("\n", len(text) // 4, 3 * len(text) // 4)
    cut = near + 1 if near >= 0 else middle
    return [text[:cut], text[cut:]]


def _mean(vectors: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(parts) / len(vectors) for parts in zip(*vectors, strict=True))


def counts(built: Built) -> Mapping[str, int]:
    """The figures of *built* by name."""
    names = ("files", "added", "changed", "removed", "unchanged")
    return {name: getattr(built, name) for name in names}
