"""The largest schemas of many kinds that are enforced, and the smallest that are refused: milliseconds of CPU.

    python benchmarks/schema_limits.py [NAME...]

Each kind grows until it is refused; both sides of that border are timed (the best of three). The endpoint classifies a
schema where it reads requests, so that whatever takes long here holds up everybody else. Times are of this machine and
this minute.
"""

import json
import random
import string
import sys
import time
from collections.abc import Callable

from aidx.gate import schema
from aidx.patterns.schema import valid
from aidx.patterns.schema.shape import UnenforceableError

MOST = 16_000


def many(count: int, one: Callable[[int], object]) -> dict:
    """An object with so many properties."""
    return {"type": "object", "properties": {f"property_{number:04d}": one(number) for number in range(count)}}


def words(count: int) -> str:
    """So many alternatives."""
    return "|".join("".join(random.Random(number).choices(string.ascii_lowercase, k=12)) for number in range(count))


def branch(number: int) -> dict:
    """One of several objects that are told apart by a constant."""
    properties = {"kind": {"const": f"k{number}"}, "value": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["kind"]}


ARRAY = {"type": "array", "items": {"type": "string"}}
KINDS: dict[str, Callable[[int], object]] = {
    "strings": lambda n: many(n, lambda _: {"type": "string"}),
    "bounded strings": lambda n: many(n, lambda i: {"type": "string", "minLength": 10 * i, "maxLength": 13 * i + 5}),
    "numbers": lambda n: many(n, lambda _: {"type": "number"}),
    "ranges": lambda n: many(n, lambda i: {"type": "number", "minimum": -1.7 * i, "maximum": 9876543.21 * (i + 1)}),
    "multiples": lambda n: many(n, lambda i: {"type": "integer", "multipleOf": 7919 * i + 1}),
    "anything": lambda n: many(n, lambda _: {}),
    "free objects": lambda n: many(n, lambda _: {"type": "object"}),
    "several types": lambda n: many(n, lambda _: {"type": ["string", "number", "integer", "array", "object"]}),
    "long arrays": lambda n: many(n, lambda i: {**ARRAY, "minItems": 1000 + i, "maxItems": 20_000 + i}),
    "objects in objects": lambda n: many(n, lambda _: many(2, lambda _: {"type": "string"})),
    "allOf": lambda n: {"allOf": [many(n, lambda j, i=i: {"type": "string", "maxLength": i + j}) for i in range(12)]},
    "anyOf": lambda n: {"anyOf": [branch(number) for number in range(n)]},
    "oneOf": lambda n: {"oneOf": [branch(number) for number in range(n)]},
    "enum of numbers": lambda n: {"enum": [1.37 * number for number in range(n)]},
    "enum of objects": lambda n: {"enum": [{"a": number, "b": [number]} for number in range(n)]},
    "const": lambda n: {"const": {f"key_{number}": number for number in range(n)}},
    "one expression": lambda n: {"type": "string", "pattern": f"^({words(n)})$"},
    "expressions": lambda n: many(n, lambda i: {"type": "string", "pattern": f"^(a|b{i})*[a-z0-9]{{{i + 1},200}}$"}),
    "repetitions": lambda n: {"type": "string", "pattern": f"^(([a-z]{{10}}){{10}}){{{n}}}$"},
    "formats": lambda n: many(n, lambda _: {"type": "string", "format": "date-time"}),
    "unknown formats": lambda n: many(n, lambda i: {"type": "string", "format": f"odd{i}"}),
    "names by expression": lambda n: {"type": "object", "patternProperties": {f"^a{i:03d}b": {} for i in range(n)}},
    "required names": lambda n: {"type": "object", "required": [f"name_{number}" for number in range(n)]},
    "not enforced": lambda n: many(n, lambda _: {**ARRAY, "uniqueItems": True, "contains": {"type": "string"}}),
}


def classified(document: object) -> tuple[bool, float]:
    """Whether it is enforced, and the milliseconds of CPU that it took to say so."""
    valid.validator.cache_clear()
    began = time.process_time()
    try:
        schema.shape("answer", document)
        enforced = True
    except UnenforceableError:
        enforced = False
    return enforced, (time.process_time() - began) * 1e3


def border(kind: Callable[[int], object]) -> tuple[int, int]:
    """The largest size that is enforced, to 2 %, and the smallest that is not."""
    low, high = 1, MOST
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if classified(kind(middle))[0] else (low, middle)
    return low, high


def main() -> None:
    """Print both sides of the border, the slowest first."""
    classified({"type": "integer"})
    rows = []
    for name, kind in KINDS.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        low, high = border(kind)
        enforced, refused = (min(classified(kind(size))[1] for _ in range(3)) for size in (low, high))
        rows.append((max(enforced, refused), name, low, len(json.dumps(kind(low))), enforced, refused))
    print(f"{'kind':20}{'largest':>8}{'bytes':>8}{'ms enforced':>13}{'ms refused':>12}")
    for _, name, low, size, enforced, refused in sorted(rows, reverse=True):
        print(f"{name:20}{low:8}{size:8}{enforced:13.1f}{refused:12.1f}")


if __name__ == "__main__":
    main()
