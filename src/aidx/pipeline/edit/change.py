"""All blocks of an answer become new files, or reasons why not: decided before anything is written."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from aidx.pipeline.edit import document
from aidx.pipeline.edit.blocks import Block, Sides
from aidx.pipeline.edit.document import Document, Line
from aidx.pipeline.edit.locate import Window, locate
from aidx.pipeline.edit.refusal import EditRefusedError, Refused
from aidx.pipeline.edit.syntax import worsened
from aidx.pipeline.edit.transfer import transfer, words

Status = Literal["edited", "created", "deleted", "unchanged"]


class Changes(Struct, frozen=True):
    """The new bytes of each file that an answer names, and the blocks that are *refused*.

    Files are complete only where nothing is refused; then all of them are written, else none.
    """

    files: Mapping[str, bytes]
    before: Mapping[str, bytes | None]
    refused: tuple[Refused, ...]

    @property
    def status(self) -> dict[str, Status]:
        """What happens to each file."""
        return {path: _status(self.before[path], data) for path, data in sorted(self.files.items())}


def _status(before: bytes | None, after: bytes) -> Status:
    if before is None:
        return "created"
    return "unchanged" if before == after else "edited"


class _File(Struct):
    """A file while blocks are applied to it; *document* is ``None`` until it exists."""

    path: str
    document: Document | None
    text: str
    blocks: list[int]


def change(blocks: Sequence[Block], files: Mapping[str, bytes | None]) -> Changes:
    """Apply *blocks* in order to *files*, which holds the bytes of each path that they name (``None``: no file).

    Every block that cannot be applied is told, not only the first; blocks on paths that *files* lacks are left
    out (someone else refused them).
    """
    open_files: dict[str, _File] = {}
    refused: list[Refused] = []
    for block in blocks:
        if block.path not in files and not block.problem:
            continue
        try:
            _apply(block, _file(block, open_files, files))
        except EditRefusedError as error:
            refused.append(Refused(block.path, block.number, error.reason, error.detail))
    done = {path: data for path, file in open_files.items() if (data := _finish(file, refused)) is not None}
    return Changes(done, {path: files[path] for path in done}, tuple(sorted(refused, key=lambda r: r.block)))


def _file(block: Block, open_files: dict[str, _File], files: Mapping[str, bytes | None]) -> _File:
    """The file of *block*, opened when it is first named."""
    if block.problem:
        raise EditRefusedError("syntax", block.problem)
    if block.path not in open_files:
        data = files[block.path]
        found = None if data is None else document.read(data)
        open_files[block.path] = _File(block.path, found, "" if found is None else found.text, [])
    return open_files[block.path]


def _apply(block: Block, file: _File) -> None:
    file.blocks.append(block.number)
    if all(not line.strip() for line in block.readings[0].search):
        if file.document is not None:
            raise EditRefusedError("conflict", "an empty SEARCH creates a file, and this one is already there")
        file.document, file.text = Document(""), _created(block.readings[0].replace)
        return
    if file.document is None:
        raise EditRefusedError("not_found", "there is no such file; an empty SEARCH would create it")
    file.text = _edited(file.text, block.readings)


def _created(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _edited(text: str, readings: Sequence[Sides]) -> str:
    """*text* after the one reading that fits; the last refusal where none does."""
    fitting: list[str] = []
    refusal = EditRefusedError("not_found", "SEARCH is empty")
    for sides in readings:
        try:
            fitting.append(_replaced(text, sides))
        except EditRefusedError as error:
            refusal = error if error.reason != "not_found" or refusal.reason == "not_found" else refusal
    if len(set(fitting)) > 1:
        raise EditRefusedError("ambiguous", "the block holds several lines of equals signs, and several may divide it")
    if not fitting:
        raise refusal
    return fitting[0]


def _replaced(text: str, sides: Sides) -> str:
    lines = document.split(text)
    texts = [line.text for line in lines]
    window, sides = _located(texts, sides)
    if window.exact:
        new = list(sides.replace)
    else:
        new = transfer(texts[window.start : window.end], sides.search, sides.replace, words(text))
    return _joined(lines, window, new)


def _located(texts: Sequence[str], sides: Sides) -> tuple[Window, Sides]:
    """The place of SEARCH as it stands, or else without the blank lines around it."""
    try:
        return locate(texts, sides.search), sides
    except EditRefusedError as error:
        trimmed = _trimmed(sides)
        if trimmed == sides or error.reason != "not_found" or not trimmed.search:
            raise
        return locate(texts, trimmed.search), trimmed


def _trimmed(sides: Sides) -> Sides:
    """Both sides without the blank lines that SEARCH begins and ends with."""
    search, new = list(sides.search), list(sides.replace)
    for end in (0, -1):
        while search and not search[end].strip():
            search.pop(end)
            if new and not new[end].strip():
                new.pop(end)
    return Sides(tuple(search), tuple(new))


def _joined(lines: Sequence[Line], window: Window, new: Sequence[str]) -> str:
    """The text with *new* in *window*; kept lines keep their endings, new ones take the usual one."""
    usual = document.usual_ending(lines)
    old = {line.text: line.ending for line in reversed(lines[window.start : window.end]) if line.ending}
    middle = [Line(text, old.get(text, usual)) for text in new]
    result = [*lines[: window.start], *middle, *lines[window.end :]]
    if result and lines and not lines[-1].ending:
        result = [*(line if line.ending else Line(line.text, usual) for line in result[:-1]), Line(result[-1].text, "")]
    return "".join(line.text + line.ending for line in result)


def _finish(file: _File, refused: list[Refused]) -> bytes | None:
    """The file's new bytes; ``None``, with a refusal for its last block, where they may not be written."""
    if file.document is None:
        return None
    try:
        return _encoded(file.path, file.document, file.text)
    except EditRefusedError as error:
        refused.append(Refused(file.path, file.blocks[-1], error.reason, error.detail))
        return None


def _encoded(path: str, before: Document, text: str) -> bytes:
    if problem := worsened(path, before.text, text):
        raise EditRefusedError("syntax", f"the file would no longer be valid: {problem}")
    return before.encode(text)
