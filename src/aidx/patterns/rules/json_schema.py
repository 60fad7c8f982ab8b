"""The answer is a JSON value that satisfies a schema."""

import json

from aidx.errors import InputError
from aidx.patterns.rules import Rule, pure
from aidx.patterns.schema.valid import objections, validator

NAME = "json-schema"
TAKES = 'a JSON Schema in one line, such as {"type": "array"}'


def rule(told: str) -> Rule:
    """The schema *told*."""
    try:
        schema = json.loads(told)
    except ValueError as error:
        raise InputError(f"the schema is no JSON: {error}") from None
    if not isinstance(schema, dict):
        raise InputError("the schema is no JSON object")
    validator(json.dumps(schema))

    def objection(text: str) -> str | None:
        return "; ".join(objections(schema, text)) or None

    return pure(NAME, objection)
