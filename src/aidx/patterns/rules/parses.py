"""The answer, or each block of code in it, is read by the parser of its language."""

import ast
import json
import re
import tomllib
import warnings
from collections.abc import Callable, Mapping

from aidx.errors import InputError
from aidx.patterns.rules import Rule, pure

NAME = "parses"
TAKES = "python, json or toml"
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def rule(told: str) -> Rule:
    """The language *told*."""
    error = ERRORS.get(told.lower())
    if error is None:
        raise InputError(f"{told!r} is no language with a parser here")

    def objection(text: str) -> str | None:
        blocks = [found[1] for found in _FENCED.finditer(text)] or [text]
        wrong = next((problem for block in blocks if (problem := error(block)) is not None), None)
        return None if wrong is None else f"this is not valid {told}: {wrong}"

    return pure(f"{NAME} {told.lower()}", objection)


def python_error(text: str) -> str | None:
    """What the Python grammar objects to in *text*, which may be indented as a whole, or ``None``."""
    indented = text[:1] in {" ", "\t"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape is no syntax error
        try:
            ast.parse(f"if True:\n{text}" if indented else text)
        except SyntaxError as error:
            line = (error.lineno or 1) - indented
            return f"line {line}: {error.msg}"
        except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes; nested too deep
            return str(error) or type(error).__name__
    return None


def json_error(text: str) -> str | None:
    """What JSON's grammar objects to in *text*, or ``None``."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}: {error.msg}"
    except RecursionError:
        return "nested too deep"
    return None


def toml_error(text: str) -> str | None:
    """What TOML's grammar objects to in *text*, or ``None``."""
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return str(error)
    return None


ERRORS: Mapping[str, Callable[[str], str | None]] = {"python": python_error, "json": json_error, "toml": toml_error}
