"""Whether an engine can be held to a schema, asked of llguidance before anything is generated.

An engine that cannot compile a grammar prints a line and goes on without: so none reaches it that was not compiled
here. Takes about a millisecond; whatever the schema, no file and no address is touched.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from itertools import islice
from typing import Any, cast

from aidx.patterns.schema import literal
from aidx.patterns.schema.inline import inline
from aidx.patterns.schema.keywords import Schema, below, each, standing, where, without
from aidx.patterns.schema.prepare import prepare, shared
from aidx.patterns.schema.shape import MAX_BYTES, MAX_DEPTH, Shape, UnenforceableError
from aidx.patterns.schema.valid import validator

GUIDANCE = {"whitespace_flexible": False}  # a model of no mind would write blanks for ever
# Of JSON Schema itself; another one is not asked for, and nobody knows it.
FORMATS = frozenset(
    {
        *("date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri"),
        *("iri-reference", "json-pointer", "regex", "relative-json-pointer", "time", "uri", "uri-reference"),
        *("uri-template", "uuid"),
    }
)
PLACES = 64  # that are looked at for the one that is to blame
ROUNDS = 16  # keywords that are left out one after the other
_KEYS = re.compile(r"Unimplemented keys: \[(.*)\]")
_FORMAT = re.compile(r"Unknown format: (.*)")
_ONE_OF = "oneOf constraints are not supported"
_COMPILING = "failed to compile JSON schema: "
_BLAMED = {"regex parse error": "pattern", "float range": "maximum", "is greater than maximum": "minimum"}


def shape(name: str, document: object, *, strict: bool = False) -> Shape:
    """What an answer is held to for *document*, a JSON Schema.

    Raises ``UnenforceableError`` where no engine can be: for keywords that llguidance cannot enforce only when it is
    *strict*; otherwise they are left out of the grammar, and told.
    """
    if not isinstance(document, Mapping | bool):
        raise UnenforceableError("the schema is no JSON object", keyword="schema")
    _check_size(document)
    plain = inline(document)
    literal.check(plain)
    check = validator(json.dumps(document))
    if plain is False or not _any_of_its_values(plain, check.is_valid):
        word = "not" if isinstance(document, Mapping) and "not" in document else "false"
        raise UnenforceableError("the schema allows nothing at all", keyword=word)
    prepared, known = _known(shared(prepare(plain)))
    grammar, others = _enforceable(prepared, document)
    weakened = (*known, *others)
    if weakened and strict:
        raise _unsupported(document, weakened)
    return Shape(name, document, grammar, weakened)


def _any_of_its_values(plain: Schema, valid: Callable[[object], bool]) -> bool:
    """Whether one of the values that *plain* lists is allowed by all of it; where it lists none, some may be."""
    if not isinstance(plain, Mapping) or not plain.keys() & {"const", "enum"} or "not" not in plain:
        return True
    return any(valid(value) for value in plain.get("enum", [plain.get("const")]))


def _known(schema: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """*schema* without keywords and formats of which it is known that llguidance has none, and what these are."""
    words: dict[str, None] = {}
    formats: dict[str, None] = {}
    _collect(schema, words, formats)
    missing = [word for word in words if _lacks(word)]
    strange = [name for name in formats if name not in FORMATS or _lacks("format", name)]
    if missing:
        schema = dict(cast("Mapping[str, Any]", without(schema, missing)))
    for name in strange:
        schema = _changed(schema, partial(_less_format, name=name))
    return schema, (*missing, *(f"format {name}" for name in strange))


def _collect(schema: Schema, words: dict[str, None], formats: dict[str, None]) -> None:
    if isinstance(schema, Mapping):
        words |= dict.fromkeys(schema)
        if isinstance(schema.get("format"), str):
            formats[schema["format"]] = None
        for inner in below(schema):
            _collect(inner, words, formats)


@lru_cache(maxsize=256)
def _lacks(word: str, value: str | None = None) -> bool:
    """Whether llguidance knows nothing of the keyword *word*, whatever stands under it, or of *value* there."""
    if value is None:
        return _KEYS.search(compiled({word: True})) is not None
    return _FORMAT.search(compiled({"type": "string", word: value})) is not None


def grammar_of(schema: Mapping[str, Any]) -> str:
    """*schema*, which is prepared, as a grammar of llguidance's."""
    return "%llguidance {}\nstart: %json " + json.dumps({**schema, "x-guidance": GUIDANCE}, ensure_ascii=False)


def compiled(schema: Mapping[str, Any]) -> str:
    """What llguidance has against *schema*, which is prepared; nothing where it enforces it."""
    from llguidance import LLMatcher

    return str(LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(grammar_of(schema))))


def _check_size(document: Schema) -> None:
    """Refuse what is too large or too deep, before anything walks through all of it."""
    if _size(document, MAX_DEPTH, MAX_BYTES) > MAX_BYTES:
        raise UnenforceableError(f"the schema has more than {MAX_BYTES} bytes", keyword="schema")


def _size(value: object, levels: int, left: int) -> int:
    """Bytes of *value* as JSON, at least; not counted beyond *left*."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass")) + 2
    if not isinstance(value, Mapping | list):
        return len(str(value))
    if levels == 0:
        raise UnenforceableError(f"the schema is nested more than {MAX_DEPTH} deep", keyword="schema")
    size = 2
    for inner in value:
        size += _size(inner, levels - 1, left - size) + 1
        if isinstance(value, Mapping):
            size += _size(value[inner], levels - 1, left - size) + 1
        if size > left:
            break
    return size


def _enforceable(schema: dict[str, Any], document: Schema) -> tuple[dict[str, Any], tuple[str, ...]]:
    """*schema* without what llguidance does not know, and the keywords that this took."""
    weakened: dict[str, None] = {}
    for _ in range(ROUNDS):
        complaint = compiled(schema)
        if not complaint:
            return schema, tuple(weakened)
        words, schema = _weaker(schema, complaint, document)
        weakened |= dict.fromkeys(words)
    raise UnenforceableError("the schema has too many keywords that cannot be enforced", keyword=next(iter(weakened)))


def _weaker(schema: dict[str, Any], complaint: str, document: Schema) -> tuple[tuple[str, ...], dict[str, Any]]:
    if found := _KEYS.search(complaint):
        words = tuple(json.loads(f"[{found[1]}]"))
        weaker = without(schema, words)
        return words, dict(weaker) if isinstance(weaker, Mapping) else {}
    if found := _FORMAT.search(complaint):
        name = found[1].strip()
        return (f"format {name}",), _changed(schema, lambda one: _less_format(one, name))
    if _ONE_OF in complaint:
        return ("oneOf",), _changed(schema, _any_of)
    line = next(line for line in complaint.splitlines() if line.strip()).rpartition(_COMPILING)[2][:200]
    word = next((word for words, word in _BLAMED.items() if words in complaint), "schema")
    raise UnenforceableError(f"the schema cannot be enforced{_place(document, word)}: {line}", keyword=word)


def _place(document: Schema, word: str) -> str:
    """Where *word* stands in *document*, in brackets; of several expressions the first that cannot be compiled."""
    found = list(islice(standing(document, word), PLACES)) if word == "pattern" else []
    if len(found) > 1:
        found = [(at, pattern) for at, pattern in found if compiled({"type": "string", "pattern": pattern})]
    return f" ({found[0][0]})" if found else ""


def _changed(schema: Mapping[str, Any], change: Any) -> dict[str, Any]:  # noqa: ANN401 - a function on schemas
    def everywhere(inner: Schema) -> Schema:
        return change(each(inner, everywhere)) if isinstance(inner, Mapping) else inner

    found = everywhere(schema)
    return dict(found) if isinstance(found, Mapping) else {}


def _less_format(schema: Mapping[str, Any], name: str) -> Schema:
    return {word: value for word, value in schema.items() if word != "format" or value != name}


def _any_of(schema: Mapping[str, Any]) -> Schema:
    """A choice of which several may hold; that only one does is checked afterwards."""
    if "oneOf" not in schema:
        return schema
    rest = {word: value for word, value in schema.items() if word != "oneOf"}
    both = {"allOf": [{"anyOf": rest.pop("anyOf")}, {"anyOf": schema["oneOf"]}]} if "anyOf" in rest else {}
    return rest | (both or {"anyOf": schema["oneOf"]})


def _unsupported(document: Schema, weakened: tuple[str, ...]) -> UnenforceableError:
    word = weakened[0].partition(" ")[0]
    at = next(where(document, word), "")
    return UnenforceableError(
        f"{', '.join(weakened)} cannot be enforced{f' ({at})' if at else ''}",
        keyword=word,
        hint="Leave it out, or ask without strict: then the answer is checked afterwards, and repaired.",
    )
