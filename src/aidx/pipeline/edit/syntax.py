"""Whether an edit leaves a file less readable to its own parser than it was."""

import ast
import json
import tomllib
import warnings
from collections.abc import Callable


def worsened(path: str, before: str, after: str) -> str | None:
    """Say what a parser objects to in *after*, or ``None``; a text that was broken before cannot become worse.

    Python, JSON and TOML are judged by the ending of *path*, other files not at all.
    """
    judge = _JUDGES.get(path.rpartition(".")[2].lower())
    if judge is None:
        return None
    problem = judge(after)
    return problem if problem is not None and (not before.strip() or judge(before) is None) else None


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


def _json_error(text: str) -> str | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}: {error.msg}"
    except RecursionError:
        return "nested too deep"
    return None


def _toml_error(text: str) -> str | None:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return str(error)
    return None


_JUDGES: dict[str, Callable[[str], str | None]] = {
    "py": python_error,
    "pyi": python_error,
    "json": _json_error,
    "toml": _toml_error,
}
