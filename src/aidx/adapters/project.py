"""What a project says of itself: how it is tested, and aider's bound on its history."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

AIDER = ".aider.conf.yml"
LARGEST = 1 << 20
_HISTORY = re.compile(r"^max-chat-history-tokens[ \t]*:[ \t]*(\S[^#\n]*)?", re.MULTILINE)


class Project(NamedTuple):
    """*history* is aider's ``max-chat-history-tokens``; *doubts* are lines about what was found and not taken."""

    history: int | None
    checks: dict[str, tuple[str, ...]]
    doubts: tuple[str, ...]


def look(root: Path) -> Project:
    """What is found in the folder *root*; files that cannot be read are as good as absent, and named."""
    doubts: list[str] = []
    history = _history(root, doubts)
    return Project(history, dict(_checks(root)), tuple(doubts))


def _history(root: Path, doubts: list[str]) -> int | None:
    """One key at the top level of a flat YAML file: a number, perhaps quoted, or it is left out and said so."""
    text = _text(root / AIDER)
    found = None if text is None else _HISTORY.search(text)
    if found is None:
        return None
    value = (found[1] or "").strip().strip("\"'").replace("_", "")
    if not (value.isascii() and value.isdigit()):
        doubts.append(f"{AIDER}: max-chat-history-tokens is {value or 'empty'}, no whole number: left out")
        return None
    return int(value)


def _checks(root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    pyproject = _text(root / "pyproject.toml") or ""
    if "[tool.pytest" in pyproject or any((root / name).is_file() for name in ("pytest.ini", "conftest.py")):
        yield "tests", ("pytest", "-q")
    elif (root / "Cargo.toml").is_file():
        yield "tests", ("cargo", "test", "--quiet")
    elif (root / "go.mod").is_file():
        yield "tests", ("go", "test", "./...")
    elif _has_npm_test(_text(root / "package.json")):
        yield "tests", ("npm", "test", "--silent")


def _has_npm_test(text: str | None) -> bool:
    try:
        scripts = json.loads(text or "{}").get("scripts", {})
        return isinstance(scripts, dict) and "no test specified" not in scripts.get("test", "no test specified")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return False


def _text(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        return path.read_text("utf-8", "replace")
    except OSError:
        return None
