"""Whether an edit leaves a file less readable to its own parser than it was."""

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


_JUDGES: dict[str, Callable[[str], str | None]] = {
    "py": python_error,
    "pyi": python_error,
    "json": json_error,
    "toml": toml_error,
}
