"""Edit tasks: an instruction, a function, and the function as it should become.

A kind is a function that picks what to edit and fills its templates; each result parses.
"""

import ast
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from functions import KEPT, TYPES, parse, value

VERBS = (
    "Return", "Compute", "Check", "Read", "Write", "Parse", "Build", "Update", "Get", "Set",
    "Find", "Create", "Remove", "Handle", "Convert", "Format", "Load", "Store", "Send", "Close",
    "Open", "Test", "Split", "Join", "Count", "Merge", "Copy",
)  # fmt: skip
LITTLE_WORDS = (
    "the", "a", "all", "every", "this", "its", "new", "given", "current", "next", "last",
    "default", "internal",
)  # fmt: skip
TEMPLATES = {
    "insert": (
        "Insert {a} at the start of the function.",
        "Start the function with {a}",
        "Add the line {a} at the beginning.",
        "The first statement should be {a}",
    ),
    "docstring": (
        'Add the docstring "{a}"',
        "Add a docstring: {a}",
        "Document the function: {a}",
        'Insert the docstring "{a}"',
    ),
    "returns": (
        "Annotate the return type as {a}.",
        "Add the return type {a}.",
        "The function returns {a}, annotate it.",
        "Give it the return type hint {a}.",
    ),
    "add_parameter": (
        "Add a parameter {a} with default {b}.",
        "Add a parameter {a} which defaults to {b}.",
        "Add the optional argument {a} = {b}.",
        "The function needs a new parameter {a}, default {b}.",
    ),
    "rename_function": (
        "Rename the function {a} to {b}.",
        "Rename the function to {b}.",
        "The function {a} should be called {b}.",
        "Call this function {b}.",
    ),
    "annotate": (
        "Annotate the parameter {a} as {b}.",
        "Add the type annotation {b} to the parameter {a}.",
        "The parameter {a} is of type {b}, annotate it.",
        "Give {a} the type hint {b}.",
    ),
    "default": (
        "Change the default value of {a} to {b}.",
        "Set the default of {a} to {b}.",
        "{a} should default to {b}.",
        "Make {b} the default of {a}.",
    ),
    "async": (
        "Make the function async.",
        "Turn {a} into a coroutine function.",
        "Make {a} async.",
        "The function should be asynchronous.",
    ),
    "delete_first": (
        "Delete the first statement of the function.",
        "Remove the first statement.",
        "Drop the first line of the body.",
        "Delete {a} at the start of the function.",
    ),
    "constant": (
        "Replace the constant {a} with {b}.",
        "Change {a} to {b}.",
        "Use {b} instead of {a}.",
        "Replace {a} by {b}.",
    ),
    "rename_parameter": (
        "Rename the parameter {a} to {b}.",
        "Rename parameter {a} to {b}",
        "The argument {a} should be called {b}.",
        "Change the name of the parameter {a} to {b}.",
    ),
}
QUOTABLE = frozenset(TEMPLATES) - {"docstring"}
UNTRAINED = ("constant", "rename_parameter")
TRAINED = tuple(kind for kind in TEMPLATES if kind not in UNTRAINED)


@dataclass(frozen=True)
class Task:
    """One edit."""

    kind: str
    instruction: str
    source: str
    edited: str


@dataclass(frozen=True)
class Subject:
    """The function to edit, with what the kinds ask of it."""

    source: str
    names: Sequence[str]
    rng: random.Random

    @cached_property
    def node(self) -> ast.FunctionDef:
        """The function."""
        return parse(self.source)

    @property
    def lines(self) -> list[str]:
        """A fresh list of its lines."""
        return self.source.split("\n")

    @cached_property
    def header(self) -> int:
        """The number of lines of the header; 0 when the body starts on its last one."""
        lines, count = self.lines, self.node.lineno
        while not lines[count - 1].split("#")[0].rstrip().endswith(":"):
            count += 1
            if count >= self.node.body[0].lineno:
                return 0
        return count

    @property
    def indent(self) -> str:
        """The indentation of the body."""
        return " " * self.node.body[0].col_offset

    @property
    def parameters(self) -> list[ast.arg]:
        """The named parameters, without self and cls."""
        spec = self.node.args
        found = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
        return [item for item in found if item.arg not in {"self", "cls"}]

    def unused_name(self) -> str:
        """A name that the function does not contain."""
        taken = set(re.findall(r"\w+", self.source)) | KEPT
        while True:
            name = self.rng.choice(self.names)
            if name not in taken:
                return name

    def replaced(self, row: int, start: int, stop: int, text: str) -> str:
        """The source with *text* in line *row* (from 1) between two columns."""
        lines = self.lines
        lines[row - 1] = lines[row - 1][:start] + text + lines[row - 1][stop:]
        return "\n".join(lines)

    def inserted(self, *text: str) -> str:
        """The source with lines added after the header."""
        lines = self.lines
        return "\n".join([*lines[: self.header], *text, *lines[self.header :]])


Edit = tuple[str, str, str] | None  # what fills {a}, what fills {b}, the edited source
KINDS: dict[str, Callable[[Subject], Edit]] = {}


def kind(edit: Callable[[Subject], Edit]) -> Callable[[Subject], Edit]:
    """Register *edit* under its name."""
    KINDS[edit.__name__.strip("_")] = edit
    return edit


def make(kind_name: str, source: str, names: Sequence[str], rng: random.Random) -> Task | None:
    """Make a task of one kind from *source*, or None where there is nothing to edit."""
    edit = KINDS[kind_name](Subject(source, names, rng))
    if edit is None or edit[2] == source:
        return None
    quote = rng.choice(["", "", "`"]) if kind_name in QUOTABLE else ""
    first, second, edited = edit
    instruction = rng.choice(TEMPLATES[kind_name]).format(a=f"{quote}{first}{quote}", b=f"{quote}{second}{quote}")
    try:
        ast.parse(edited)
    except SyntaxError:
        return None
    return Task(kind_name, instruction, source, edited)


@kind
def insert(on: Subject) -> Edit:
    """Put a statement before the others."""
    if not on.parameters or not on.header or ast.get_docstring(on.node):
        return None
    name, other = on.rng.choice(on.parameters).arg, on.rng.choice(on.names)
    statement = on.rng.choice(
        [
            f"assert {name}",
            f"assert {name} is not None",
            f"print({name})",
            f"{name} = str({name})",
            f"{name} = {other}({name})",
            f"{other} = None",
            f"{other}({name})",
            f"assert isinstance({name}, {on.rng.choice(TYPES[:10])})",
            f"if {name} is None: return None",
            f"if not {name}: return",
            f"if not {name}: raise ValueError",
            f"{other} = {value(on.names, on.rng)}",
        ]
    )
    if not statement.startswith("if "):
        return statement, "", on.inserted(on.indent + statement)
    test, then = statement.split(": ")
    return statement, "", on.inserted(f"{on.indent}{test}:", on.indent * 2 + then)


@kind
def docstring(on: Subject) -> Edit:
    """Document the function."""
    if not on.header or ast.get_docstring(on.node):
        return None
    words = [on.rng.choice(VERBS)]
    if on.rng.random() < 0.7:
        words.append(on.rng.choice(LITTLE_WORDS))
    words += [on.rng.choice(on.names).strip("_") for _ in range(on.rng.randint(1, 4))]
    text = " ".join(words) + "."
    return text, "", on.inserted(f'{on.indent}"""{text}"""')


@kind
def returns(on: Subject) -> Edit:
    """Annotate what is returned."""
    if on.node.returns or not on.header or not on.lines[on.header - 1].endswith("):"):
        return None
    hint = on.rng.choice([*TYPES, "None"])
    end = len(on.lines[on.header - 1])
    return hint, "", on.replaced(on.header, end - 1, end, f" -> {hint}:")


@kind
def add_parameter(on: Subject) -> Edit:
    """Add a parameter with a default."""
    spec = on.node.args
    found = re.match(r"def \w+\(([^()]*)\)( -> [^:\n]+)?:", on.source)
    if not found or spec.vararg or spec.kwarg or spec.kwonlyargs or found[1].endswith("\n"):
        return None
    name, default = on.unused_name(), value(on.names, on.rng)
    start, end = on.source[: found.end(1)], on.source[found.end(1) :]
    comma = ", " if found[1].strip() else ""
    return name, default, f"{start}{comma}{name}={default}{end}"


@kind
def rename_function(on: Subject) -> Edit:
    """Give the function another name; one that calls itself is left alone."""
    name, other = on.node.name, on.unused_name()
    if len(re.findall(rf"\b{name}\b", on.source)) != 1:
        return None
    return name, other, on.source.replace(f"def {name}(", f"def {other}(", 1)


@kind
def annotate(on: Subject) -> Edit:
    """Annotate a parameter."""
    bare = [item for item in on.parameters if not item.annotation]
    if not bare:
        return None
    item, hint = on.rng.choice(bare), on.rng.choice(TYPES)
    end = item.end_col_offset or 0
    equals = re.compile(r" ?= ?").match(on.lines[item.lineno - 1], end)
    if equals:
        return item.arg, hint, on.replaced(item.lineno, end, equals.end(), f": {hint} = ")
    return item.arg, hint, on.replaced(item.lineno, end, end, f": {hint}")


@kind
def default(on: Subject) -> Edit:
    """Change a default value."""
    spec = on.node.args
    positional = [*spec.posonlyargs, *spec.args]
    pairs = list(zip(positional[len(positional) - len(spec.defaults) :], spec.defaults, strict=True))
    pairs += [(arg, old) for arg, old in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if old]
    pairs = [(arg, old) for arg, old in pairs if old.lineno == old.end_lineno]
    if not pairs:
        return None
    item, old = on.rng.choice(pairs)
    new = value(on.names, on.rng)
    if new == ast.get_source_segment(on.source, old):
        return None
    end = old.end_col_offset or 0
    return item.arg, new, on.replaced(old.lineno, old.col_offset, end, new)


@kind
def async_(on: Subject) -> Edit:
    """Make a coroutine function."""
    return on.node.name, "", f"async {on.source}"


@kind
def delete_first(on: Subject) -> Edit:
    """Delete the first statement, when it stands on a line of its own."""
    body = on.node.body
    first = body[0]
    if len(body) < 2 or first.lineno != first.end_lineno or first.lineno <= on.header:
        return None
    if not on.header or body[1].lineno == first.lineno or hasattr(first, "body"):
        return None
    lines = on.lines
    gone = lines.pop(first.lineno - 1).strip()
    return gone, "", "\n".join(lines)


@kind
def constant(on: Subject) -> Edit:
    """Change a number in the body (never trained)."""
    found = [
        node
        for statement in on.node.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and type(node.value) is int
    ]
    if not found:
        return None
    node, new = on.rng.choice(found), str(on.rng.randint(0, 9999))
    old = ast.get_source_segment(on.source, node) or ""
    if len(re.findall(rf"(?<![\w.]){re.escape(old)}(?![\w.])", on.source)) != 1:
        return None
    return old, new, on.replaced(node.lineno, node.col_offset, node.end_col_offset or 0, new)


@kind
def rename_parameter(on: Subject) -> Edit:
    """Rename a parameter wherever it stands (never trained)."""
    if not on.parameters:
        return None
    name, other = on.rng.choice(on.parameters).arg, on.unused_name()
    words = len(re.findall(rf"\b{name}\b", on.source))
    known = [node for node in ast.walk(on.node) if getattr(node, "id", getattr(node, "arg", "")) == name]
    if words != len(known) or any(isinstance(node, ast.keyword) for node in known):
        return None
    return name, other, re.sub(rf"\b{name}\b", other, on.source)
