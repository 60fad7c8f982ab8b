"""A schema as it is named on the command line: a file, or a type of somebody's module."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from aidx.errors import InputError
from aidx.userfile import read_text

HINT = "Give a JSON file, or package.module:Type."
LARGEST = 1 << 20
# What a stranger's module does when it is imported.
_OF_A_MODULE = (
    *(ArithmeticError, AttributeError, ImportError, LookupError, NameError, OSError),
    *(RuntimeError, SyntaxError, SystemExit, TypeError, ValueError),
)


def load(reference: str) -> Any:  # noqa: ANN401 - a schema, or any type
    """What *reference* names. A type's module is imported, as ``python -m`` would from here.

    Raises ``InputError`` for a file or a type that is not there, and for a file that is no JSON.
    """
    module, colon, name = reference.partition(":")
    dotted = colon and all(part.isidentifier() for part in [*module.split("."), *name.split(".")])
    if dotted and not Path(reference).exists():
        return _type(module, name)
    text = read_text(reference, "a JSON Schema", LARGEST, hint=HINT)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = "is nested too deep" if isinstance(error, RecursionError) else f"is no JSON: {error}"
        raise InputError(f"the schema {reference} {what}", hint=HINT) from None
    if not isinstance(found, dict | bool):
        raise InputError(f"the schema {reference} is no JSON object", hint=HINT)
    return found


def _type(module: str, name: str) -> Any:  # noqa: ANN401 - any type
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(f"there is no module {error.name}", hint=HINT) from None
    except _OF_A_MODULE as error:
        raise InputError(f"importing {module} failed: {type(error).__name__}: {error}", hint=HINT) from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"{module} has no {name}", hint=HINT)
        found = getattr(found, part)
    return found
