"""Functions as they stand in the library, and ways to make more of them."""

import ast
import builtins
import io
import keyword
import random
import re
import textwrap
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from corpus import SourceFile

FEWEST, MOST = 3, 18
LONGEST_LINE = 110
LONGEST_DOCSTRING = 60
KEPT = frozenset({*dir(builtins), *keyword.kwlist, *keyword.softkwlist, "self", "cls"})
SIMPLE_HEADER = re.compile(r"def \w+\(([^()*\n]*)\)(?: -> [^:\n]+)?:")
TYPES = (
    "int", "str", "bool", "float", "bytes", "list", "dict", "tuple", "set", "object", "Any",
    "Path", "Optional[str]", "list[int]", "dict[str, int]", "Callable", "list[str]",
)  # fmt: skip
ROUND_NUMBERS = (0, 1, 2, 3, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 255, 256, 500, 1000, 1024)


class Function(NamedTuple):
    """A function, dedented, and the file it comes from."""

    file: str
    source: str


def functions(files: Iterable[SourceFile]) -> list[Function]:
    """Collect the distinct functions of *files* that are neither tiny nor huge."""
    found: dict[str, Function] = {}
    for file in files:
        for source in _sources(file.text):
            found.setdefault(source, Function(file.name, source))
    return list(found.values())


def _sources(text: str) -> Iterator[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef) or node.end_lineno is None:
            continue
        if not FEWEST <= node.end_lineno - node.lineno + 1 <= MOST:
            continue
        source = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
        source = without_prose(source) if is_function(source) else ""
        if source.count("\n") + 1 >= FEWEST and is_function(source):
            yield source


def is_function(source: str) -> bool:
    """Tell whether *source* is one function that parses, with lines of a bearable length."""
    if not source.startswith("def ") or "\t" in source:
        return False
    if max(map(len, source.split("\n"))) > LONGEST_LINE:
        return False
    try:
        return isinstance(ast.parse(source).body[0], ast.FunctionDef)
    except SyntaxError:
        return False


def parse(source: str) -> ast.FunctionDef:
    """Parse one function."""
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def without_prose(source: str) -> str:
    """Drop a docstring of several lines or more than a few words."""
    node = parse(source)
    text = ast.get_docstring(node, clean=False)
    if text is None or (len(text) <= LONGEST_DOCSTRING and "\n" not in text):
        return source
    if len(node.body) == 1:
        return ""
    lines, first = source.split("\n"), node.body[0]
    rest = lines[first.end_lineno :]
    while rest and not rest[0].strip():
        rest = rest[1:]
    return "\n".join(lines[: first.lineno - 1] + rest)


def common_names(files: Iterable[SourceFile]) -> list[str]:
    """Names that at least two files use, in a fixed order."""
    counts: Counter[str] = Counter()
    for file in files:
        counts.update(set(re.findall(r"\b[a-zA-Z_][a-z_]{2,14}\b", file.text)))
    return sorted(
        name for name, count in counts.items() if count > 1 and name not in KEPT and not name.startswith("__")
    )


def value(names: Sequence[str], rng: random.Random) -> str:
    """Pick a literal that may be a default value."""
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(["None", "True", "False"])
    if kind < 0.8:
        return str(rng.choice([*ROUND_NUMBERS, rng.randint(0, 99), rng.randint(0, 9999)]))
    return f"'{rng.choice(names)}'"


def renamed(source: str, names: Sequence[str], rng: random.Random, share: float) -> str:
    """Rename about *share* of the names, each one everywhere, so that copying must be learnt."""
    found = list(tokenize.generate_tokens(io.StringIO(source).readline))
    taken = {token.string for token in found}
    fresh: dict[str, str] = {}
    for name in sorted(taken):
        if not name.isidentifier() or name in KEPT or name.startswith("__"):
            continue
        other = rng.choice(names) if rng.random() < 0.8 else _invented(rng)
        if rng.random() < share and other not in taken and other not in KEPT:
            fresh[name] = other
            taken.add(other)
    lines = source.split("\n")
    for token in reversed(found):
        if token.type == tokenize.NAME and token.string in fresh:
            row, start, stop = token.start[0] - 1, token.start[1], token.end[1]
            lines[row] = lines[row][:start] + fresh[token.string] + lines[row][stop:]
    return "\n".join(lines)


def _invented(rng: random.Random) -> str:
    letters = rng.choices("abcdefghijklmnopqrstuvwxyz_", k=rng.randint(1, 6))
    return "".join(letters).strip("_") or "q"


def shortened(source: str, rng: random.Random) -> str:
    """Keep only the first one to three statements of the body."""
    body = parse(source).body
    last = body[min(rng.randint(1, 3), len(body)) - 1].end_lineno
    return "\n".join(source.split("\n")[:last])


def widened(source: str, names: Sequence[str], rng: random.Random) -> str:
    """Give a simple one-line header one to three parameters more."""
    header = SIMPLE_HEADER.match(source)
    if not header:
        return source
    parameters = header[1].strip(", ")
    for _ in range(rng.randint(1, 3)):
        name, plain = rng.choice(names), "=" not in parameters and rng.random() < 0.5
        if re.search(rf"\b{re.escape(name)}\b", source + parameters):
            continue
        hint = f": {rng.choice(TYPES)}" if rng.random() < 0.3 else ""
        default = "" if plain else (" = " if hint else "=") + value(names, rng)
        parameters += (", " if parameters else "") + name + hint + default
    return source[: header.start(1)] + parameters + source[header.end(1) :]
