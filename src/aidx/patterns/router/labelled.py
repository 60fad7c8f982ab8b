"""Labelled prompts from a file: JSON lines or CSV, with ``prompt`` and ``label``; each error names its line."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn, get_args

import msgspec
from msgspec import Struct

from aidx.errors import InputError
from aidx.patterns.router.model import Label

LABELS: tuple[str, ...] = get_args(Label)
LONGEST = 1 << 20  # characters of a line: more is a file without line ends
MOST = 1_000_000  # prompts
_HINT = 'Write one object a line, {"prompt": "...", "label": "simple"}, or CSV with the columns prompt and label.'
_BOMS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


class Labelled(Struct, frozen=True):
    """One prompt. *group* keeps variants of one text together; tokens are ``None`` where the file has none."""

    prompt: str
    label: Label
    group: str
    line: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def is_complex(self) -> bool:
        """Whether it is labelled ``complex``."""
        return self.label == "complex"


class _Line(msgspec.Struct):
    prompt: str
    label: str
    group: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def parse(data: bytes, name: str) -> tuple[Labelled, ...]:
    """The prompts in *data*, the bytes of the file called *name*; JSON lines where the first character is a brace.

    Raises ``InputError``, which names the line, for what is not UTF-8, no object, without prompt or label, or with
    a label that there is not; for a file without prompts; and for one that has only one of the two labels.
    """
    text = _text(data, name)
    rows = list(_json_lines(text, name) if text.lstrip()[:1] == "{" else _csv(text, name))
    if not rows:
        raise InputError(f"{name} has no prompts", hint=_HINT)
    counts = Counter(row.label for row in rows)
    if len(counts) == 1:
        (only,) = counts
        other = next(label for label in LABELS if label != only)
        raise InputError(
            f"{name}: all {len(rows)} prompts are labelled {only}: nothing can be told apart",
            hint=f"Add prompts that are {other}.",
            code="one_label_only",
        )
    return tuple(rows)


def contradictions(rows: Sequence[Labelled]) -> list[tuple[int, int]]:
    """The lines of equal prompts with different labels, as pairs."""
    first: dict[str, Labelled] = {}
    found = []
    for row in rows:
        before = first.setdefault(row.prompt, row)
        if before.label != row.label:
            found.append((before.line, row.line))
    return found


def _text(data: bytes, name: str) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            raise InputError(f"{name} is {encoding}, not UTF-8", hint="Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        raise InputError(f"{name}:{line}: byte {wrong.start} is not UTF-8", hint="Save it as UTF-8.") from None


def _json_lines(text: str, name: str) -> Iterator[Labelled]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        _bounded(line, name, number)
        try:
            found = msgspec.json.decode(line, type=_Line)
        except msgspec.ValidationError as wrong:
            _wrong(name, number, str(wrong)[0].lower() + str(wrong)[1:].replace("`", ""))
        except msgspec.DecodeError as wrong:
            _wrong(name, number, f"no JSON object: {str(wrong).removeprefix('JSON is malformed: ')}")
        yield _row(found, name, number)


def _csv(text: str, name: str) -> Iterator[Labelled]:
    lines = text.split("\n")
    reader = csv.reader((f"{_bounded(line, name, at)}\n" for at, line in enumerate(lines, 1)), strict=True)
    header: list[str] = []
    number = 1
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                pass
            elif not header:
                header = _header(cells, name, number)
            elif len(cells) != len(header):
                _wrong(name, number, f"{len(cells)} cells under {len(header)} columns")
            else:
                yield _row(_of_cells(dict(zip(header, cells, strict=True)), name, number), name, number)
            number = reader.line_num + 1
    except csv.Error as wrong:
        _wrong(name, number, f"no CSV: {wrong}")


def _header(cells: list[str], name: str, number: int) -> list[str]:
    header = [cell.strip() for cell in cells]
    for column in ("prompt", "label"):
        if header.count(column) != 1:
            has = ", ".join(cell[:30] for cell in header[:8])
            _wrong(name, number, f"the first line must name the columns prompt and label once each; it has: {has}")
    return header


def _of_cells(cells: Mapping[str, str], name: str, number: int) -> _Line:
    tokens: dict[str, int | None] = {}
    for key in ("prompt_tokens", "completion_tokens"):
        text = cells.get(key, "").strip()
        if text and not (text.isascii() and text.isdigit()):
            _wrong(name, number, f"{key}: {text[:30]!r} is no count")
        tokens[key] = int(text[:18]) if text else None
    return _Line(cells["prompt"], cells["label"].strip(), cells.get("group") or None, **tokens)


def _row(line: _Line, name: str, number: int) -> Labelled:
    if not line.prompt.strip():
        _wrong(name, number, "the prompt is empty")
    if line.label not in LABELS:
        close = get_close_matches(line.label.strip().lower(), LABELS, n=1)
        nearest = f" (nearest: {close[0]})" if close else ""
        _wrong(name, number, f"label {line.label[:40]!r} is neither simple nor complex{nearest}")
    for tokens in (line.prompt_tokens, line.completion_tokens):
        if tokens is not None and tokens < 0:
            _wrong(name, number, f"{tokens} tokens are none")
    if number > MOST:
        _wrong(name, number, f"more than {MOST:,} lines")
    label: Label = "complex" if line.label == "complex" else "simple"
    group = line.group or f"line {number}"
    return Labelled(line.prompt, label, group, number, line.prompt_tokens, line.completion_tokens)


def _bounded(line: str, name: str, number: int) -> str:
    if len(line) > LONGEST:
        _wrong(name, number, f"a line of {len(line):,} characters, at most {LONGEST:,}")
    return line


def _wrong(name: str, number: int, reason: str) -> NoReturn:
    raise InputError(f"{name}:{number}: {reason}", hint=_HINT)
