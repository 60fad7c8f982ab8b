"""Whether an edit leaves a file less readable to its own parser than it was."""

import warnings
from collections.abc import Callable

from aidx.patterns.rules.parses import json_error, python_error, toml_error


def worsened(path: str, before: str, after: str) -> str | None:
    """Say what a parser objects to in *after*, or ``None``; a text that was broken before cannot become worse.

    Python, JSON and TOML are judged by the ending of *path*, other files not at all.
    """
    judge = _JUDGES.get(path.rpartition(".")[2].lower())
    if judge is None:
        return None
    problem = judge(after)
    return problem if problem is not None and (not before.strip() or judge(before) is None) else None


def _python(text: str) -> str | None:
    """What the grammar says, or else the compiler: of a ``return`` outside a function, and of a name given twice."""
    error = python_error(text)
    if error is not None or text[:1] in {" ", "\t"}:  # a piece of a file has no functions around it
        return error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "edited", "exec", dont_inherit=True)
        except SyntaxError as found:
            return f"line {found.lineno or 1}: {found.msg}"
        except (ValueError, RecursionError, MemoryError):  # more than the compiler can take is no fault of the text
            return None
    return None


_JUDGES: dict[str, Callable[[str], str | None]] = {
    "py": _python,
    "pyi": _python,
    "json": json_error,
    "toml": toml_error,
}
