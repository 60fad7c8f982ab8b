"""Whether an engine can be held to a schema, asked of llguidance before anything is generated.

An engine that cannot compile a grammar prints a line and goes on without: so none reaches it that was not compiled
here. Takes about a millisecond; whatever the schema, no file and no address is touched.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from aidx.patterns.schema.inline import inline
from aidx.patterns.schema.keywords import Schema, each, where, without
from aidx.patterns.schema.prepare import prepare
from aidx.patterns.schema.shape import MAX_BYTES, MAX_DEPTH, Shape, UnenforceableError
from aidx.patterns.schema.valid import validator

GUIDANCE = {"whitespace_flexible": False}  # a model of no mind would write blanks for ever
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
    validator(json.dumps(document))
    if plain is False:
        raise UnenforceableError("the schema allows nothing at all", keyword="false")
    grammar, weakened = _enforceable(prepare(plain))
    if weakened and strict:
        raise _unsupported(document, weakened)
    return Shape(name, document, grammar, weakened)


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


def _enforceable(schema: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """*schema* without what llguidance does not know, and the keywords that this took."""
    weakened: dict[str, None] = {}
    for _ in range(ROUNDS):
        complaint = compiled(schema)
        if not complaint:
            return schema, tuple(weakened)
        words, schema = _weaker(schema, complaint)
        weakened |= dict.fromkeys(words)
    raise UnenforceableError("the schema has too many keywords that cannot be enforced", keyword=next(iter(weakened)))


def _weaker(schema: dict[str, Any], complaint: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    if found := _KEYS.search(complaint):
        words = tuple(json.loads(f"[{found[1]}]"))
        weaker: Schema = schema
        for word in words:
            weaker = without(weaker, word)
        return words, dict(weaker) if isinstance(weaker, Mapping) else {}
    if found := _FORMAT.search(complaint):
        name = found[1].strip()
        return (f"format {name}",), _changed(schema, lambda one: _less_format(one, name))
    if _ONE_OF in complaint:
        return ("oneOf",), _changed(schema, _any_of)
    line = next(line for line in complaint.splitlines() if line.strip()).rpartition(_COMPILING)[2][:200]
    word = next((word for words, word in _BLAMED.items() if words in complaint), "schema")
    raise UnenforceableError(f"the schema cannot be enforced: {line}", keyword=word)


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
