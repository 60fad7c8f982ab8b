"""Where definitions stand in other languages than Python, by tree-sitter and the grammar of each language.

Each grammar is a wheel of its own with the parser inside. (``tree-sitter-language-pack`` fetches parsers from the
network when they are first used.) What is not installed is cut in runs of lines, and that is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from aidx.ports.retrieval import Definition

FUNCTION, CLASS = "function", "class"


class Language(NamedTuple):
    """The package of a grammar, the function that gives it, and what its kinds of nodes define."""

    package: str
    kinds: Mapping[str, str]
    entry: str = "language"


def _kinds(functions: str, classes: str) -> Mapping[str, str]:
    return dict.fromkeys(functions.split(), FUNCTION) | dict.fromkeys(classes.split(), CLASS)


_SCRIPT = "function_declaration generator_function_declaration method_definition variable_declarator"
_TYPED = "class_declaration abstract_class_declaration interface_declaration enum_declaration internal_module"
_JAVASCRIPT = Language("javascript", _kinds(_SCRIPT, "class_declaration"))
_TYPESCRIPT = Language("typescript", _kinds(_SCRIPT, _TYPED), "language_typescript")
_TSX = _TYPESCRIPT._replace(entry="language_tsx")
_GO = Language("go", _kinds("function_declaration method_declaration", "type_spec"))
_RUST = Language(
    "rust", _kinds("function_item macro_definition", "impl_item struct_item enum_item trait_item mod_item union_item")
)
_JAVA = Language(
    "java",
    _kinds(
        "method_declaration constructor_declaration",
        "class_declaration interface_declaration enum_declaration record_declaration",
    ),
)
_C = Language("c", _kinds("function_definition", "struct_specifier union_specifier enum_specifier"))
_CPP = Language(
    "cpp",
    _kinds(
        "function_definition",
        "class_specifier struct_specifier union_specifier enum_specifier namespace_definition",
    ),
)
_CSHARP = Language(
    "c_sharp",
    _kinds(
        "method_declaration constructor_declaration local_function_statement",
        "class_declaration interface_declaration struct_declaration record_declaration enum_declaration "
        "namespace_declaration",
    ),
)
_RUBY = Language("ruby", _kinds("method singleton_method", "class module"))
_PHP = Language(
    "php",
    _kinds(
        "function_definition method_declaration",
        "class_declaration interface_declaration trait_declaration enum_declaration",
    ),
    "language_php",
)
_BASH = Language("bash", _kinds("function_definition", ""))
LANGUAGES: Mapping[str, Language] = {
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _JAVASCRIPT),
    **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT),
    ".tsx": _TSX,
    ".go": _GO,
    ".rs": _RUST,
    ".java": _JAVA,
    **dict.fromkeys((".c", ".h"), _C),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"), _CPP),
    ".cs": _CSHARP,
    ".rb": _RUBY,
    ".php": _PHP,
    **dict.fromkeys((".sh", ".bash"), _BASH),
}
_CALLABLE = frozenset({"arrow_function", "function_expression", "generator_function"})
_BODIED = frozenset({"struct_specifier", "union_specifier", "enum_specifier", "class_specifier"})


class Grammars:
    """The grammars that are installed; see ``retrieval.Outline``. *missing* collects the packages that were wanted."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    def version(self, path: str) -> str:
        """The grammar and its version, '' where there is none for *path*."""
        language = LANGUAGES.get(PurePosixPath(path).suffix.lower())
        if language is None:
            return ""
        if _parser(language.package, language.entry) is None:
            self.missing.add(f"tree-sitter-{language.package.replace('_', '-')}")
            return ""
        return _version(language.package)

    def definitions(self, path: str, text: str) -> Sequence[Definition] | None:
        """What *text* defines, as far as it can be parsed; ``None`` without a grammar."""
        if not self.version(path):
            return None
        language = LANGUAGES[PurePosixPath(path).suffix.lower()]
        tree = _parser(language.package, language.entry).parse(text.encode())
        return tuple(_inside(tree.root_node, language.kinds))


@cache
def _parser(package: str, entry: str) -> Any:  # noqa: ANN401 - an extra
    try:
        import tree_sitter

        grammar = import_module(f"tree_sitter_{package}")
    except ImportError:
        return None
    return tree_sitter.Parser(tree_sitter.Language(getattr(grammar, entry)()))


@cache
def _version(package: str) -> str:
    name = f"tree-sitter-{package.replace('_', '-')}"
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def _inside(root: Any, kinds: Mapping[str, str]) -> Iterator[Definition]:  # noqa: ANN401 - an extra
    """Every definition below *root*, without recursion: hostile files nest as deep as they are long."""
    waiting: list[tuple[Any, str]] = [(root, "")]
    while waiting:
        node, prefix = waiting.pop()
        kind = kinds.get(node.type) if node.is_named else None
        if kind is not None and _defines(node) and (name := _name(node)):
            first, last = node.start_point[0] + 1, node.end_point[0] + (node.end_point[1] > 0)
            yield Definition(f"{prefix}{name}", kind, first, max(first, last))
            prefix = f"{prefix}{name}."
        waiting += [(child, prefix) for child in reversed(node.children)]


def _defines(node: Any) -> bool:  # noqa: ANN401
    """Whether it is a definition and no mere mention."""
    if node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        return value is not None and value.type in _CALLABLE
    return node.type not in _BODIED or node.child_by_field_name("body") is not None


def _name(node: Any) -> str:  # noqa: ANN401
    named = node.child_by_field_name("name")
    if node.type == "impl_item":
        named = node.child_by_field_name("type")
    if named is None:  # C: the name is inside pointers, parameters and brackets
        named = node.child_by_field_name("declarator")
        while named is not None and (inner := named.child_by_field_name("declarator")) is not None:
            named = inner
    text = "" if named is None else named.text.decode("utf-8", "replace")
    if node.type == "method_declaration" and (receiver := node.child_by_field_name("receiver")) is not None:
        words = receiver.text.decode("utf-8", "replace").strip("()").split()
        text = f"{words[-1].lstrip('*').partition('[')[0]}.{text}" if words else text
    return " ".join(text.split()).replace("::", ".")
