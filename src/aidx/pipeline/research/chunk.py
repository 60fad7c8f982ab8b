"""Cuts a file into chunks: each function by itself, what stands around functions in runs of lines.

Every line with a word on it is in exactly one chunk.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from aidx.errors import InputError
from aidx.pipeline.context.symbols import symbols
from aidx.pipeline.edit.document import split
from aidx.ports.retrieval import Chunk, Definition, Outline

VERSION = 1  # of the rules below: files that other rules cut are cut again
MOST_LINES = 60  # of a chunk: a longer function is several, of the same symbol
MOST_CHARACTERS = 2400  # about 700 tokens of code: what small embedding models read at once
_PYTHON = (".py", ".pyi")
_MARKDOWN = (".md", ".markdown")
_HEADING = re.compile(r"#{1,6} +(.*?)#* *")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--)")
_SOMETHING = re.compile(r"\w")


class _Owner(NamedTuple):
    symbol: str
    kind: str
    whole: bool  # a function: what is defined inside it belongs to it


_NOBODY = _Owner("", "text", whole=False)


def chunks(path: str, text: str, outline: Outline | None = None) -> tuple[Chunk, ...]:
    """The chunks of the file at *path*, at least one; *outline* knows the definitions of further languages.

    A file whose definitions cannot be told (no grammar for it, no valid Python) is cut into runs of lines.
    """
    lines = [line.text for line in split(text)]
    owners = _owners(lines, _definitions(path, text, lines, outline))
    found = []
    numbered = [(number, line, owners[number - 1]) for number, line in enumerate(lines, 1)]
    for owner, run in groupby(numbered, key=lambda each: each[2]):
        for part in _parts([(number, line) for number, line, _ in run]):
            body = "\n".join(line for _, line in part)
            if _SOMETHING.search(body):
                found.append(Chunk(path, owner.symbol, owner.kind, part[0][0], part[-1][0], body))
    return tuple(found) or (Chunk(path, "", "text", 1, max(1, len(lines)), ""),)


def _definitions(path: str, text: str, lines: Sequence[str], outline: Outline | None) -> Sequence[Definition]:
    if path.endswith(_PYTHON):
        try:
            return [Definition(each.name, _kind(each.node), each.first, each.last) for each in symbols(path, text)]
        except InputError:
            return ()
    if path.lower().endswith(_MARKDOWN):
        return tuple(_sections(lines))
    return (outline.definitions(path, text) if outline is not None else None) or ()


def _kind(node: object) -> str:
    return "class" if type(node).__name__ == "ClassDef" else "function"


def _sections(lines: Sequence[str]) -> Iterator[Definition]:
    """From each heading to the line before the next one; a heading in a code block is none."""
    heads: list[tuple[int, str]] = []
    fence = ""
    for number, line in enumerate(lines, 1):
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif line.strip().startswith(fence):
                fence = ""
        elif not fence and (heading := _HEADING.fullmatch(line)):
            heads.append((number, heading[1].strip()))
    ends = [number - 1 for number, _ in heads[1:]] + [len(lines)]
    for (first, title), last in zip(heads, ends, strict=False):
        yield Definition(title, "section", first, last)


def _owners(lines: Sequence[str], definitions: Sequence[Definition]) -> list[_Owner]:
    """Who each line belongs to: the innermost definition around it, of functions the outermost.

    Comments right above a definition belong to it.
    """
    owners = [_NOBODY] * len(lines)
    for each in sorted(definitions, key=lambda d: (d.first, -d.last)):
        first, last = min(each.first, len(lines)), min(each.last, len(lines))
        around = owners[first - 1]
        if around.whole:
            continue
        while first > 1 and owners[first - 2] == around and _COMMENT.match(lines[first - 2]):
            first -= 1
        owners[first - 1 : last] = [_Owner(each.name, each.kind, whole=each.kind != "class")] * (last - first + 1)
    return owners


def _parts(run: Sequence[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """*run* in parts of bounded size, cut at an empty line in their second half where there is one."""
    part: list[tuple[int, str]] = []
    size = 0
    for number, line in _bounded(run):
        while part and (len(part) == MOST_LINES or size + len(line) + 1 > MOST_CHARACTERS):
            cut = next((place for place in range(len(part) - 1, len(part) // 2, -1) if not part[place][1].strip()), -1)
            ready, part = (part[: cut + 1], part[cut + 1 :]) if cut >= 0 else (part, [])
            yield ready
            size = sum(len(text) + 1 for _, text in part)
        part.append((number, line))
        size += len(line) + 1
    if part:
        yield part


def _bounded(run: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines of *run*; one that is longer than a chunk comes in pieces with the same number."""
    for number, line in run:
        for start in range(0, max(1, len(line)), MOST_CHARACTERS - 1):
            yield number, line[start : start + MOST_CHARACTERS - 1]
