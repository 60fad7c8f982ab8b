"""Where a symbol stands in Python source, and what else stands beside it."""

import ast
import warnings
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from aidx.errors import InputError
from aidx.pipeline.edit.document import split

_ENDINGS = (".py", ".pyi")
_OUTLINED = 100  # characters of a line of the outline
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Symbol(NamedTuple):
    """A function or class: its dotted *name*, and lines *first* to *last* (from 1, both in it), decorators too."""

    name: str
    first: int
    last: int
    node: Definition


def find(path: str, source: str, name: str) -> Symbol:
    """The symbol *name* (``Class.method``) of *source*.

    Raises ``InputError`` where there is none, or several, where *source* is no valid Python, and for files in
    other languages.
    """
    hint = "Name the whole file in this step, without '::'."
    if not path.endswith(_ENDINGS):
        raise InputError(f"symbols are found in Python files only, and {path} is none", hint=hint)
    every = list(symbols(path, source))
    found = [symbol for symbol in every if symbol.name == name]
    if not found:
        near = get_close_matches(name, [symbol.name for symbol in every], 3, 0.5)
        raise InputError(f"{path} has no symbol {name}", hint=f"Did you mean {' or '.join(near)}?" if near else hint)
    if len(found) > 1:
        lines = ", ".join(str(symbol.first) for symbol in found)
        raise InputError(f"{path} defines {name} {len(found)} times (lines {lines})", hint=hint)
    return found[0]


def symbols(path: str, source: str) -> Iterator[Symbol]:
    """Every function and class of *source*, those inside classes and functions too, in order.

    Raises ``InputError`` where *source* is no valid Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape is no syntax error
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            where = "" if line is None else f", line {line}"
            raise InputError(f"{path}{where} is no valid Python: {error}", hint="Mend the file first.") from None
    yield from _inside(tree.body, "")


def _inside(body: Sequence[ast.stmt], prefix: str) -> Iterator[Symbol]:
    for node in body:
        if isinstance(node, Definition):
            name = f"{prefix}{node.name}"
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield Symbol(name, first, node.end_lineno or node.lineno, node)
            yield from _inside(node.body, f"{name}.")
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _inside([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)], prefix)


def outline(path: str, source: str, *, without: Symbol) -> str:
    """The imports, and the head of every function and class of *source* but *without*, one line each."""
    lines = [line.text for line in split(source)]
    heads = [
        lines[symbol.node.lineno - 1].rstrip()
        for symbol in symbols(path, source)
        if not without.first <= symbol.first <= without.last
    ]
    top = [lines[node.lineno - 1] for node in ast.parse(source).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return "\n".join(line[:_OUTLINED] for line in [*top, *heads])
