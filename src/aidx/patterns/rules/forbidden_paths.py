"""The answer edits no file that it may not: those that are named, and none outside the tree."""

import re
from fnmatch import fnmatchcase

from aidx.errors import InputError
from aidx.patterns.rules import Rule, pure

NAME = "forbidden-paths"
TAKES = "patterns of paths with blanks between them, such as .github/* *.lock"
_BLOCK = re.compile(r"^([^\n]+)\n(?:```[^\n]*\n)?<{5,9} SEARCH\b", re.MULTILINE)
_DIFF = re.compile(r"^(?:---|\+\+\+) (?:[ab]/)?([^\t\n]+)", re.MULTILINE)


def rule(told: str) -> Rule:
    """The patterns *told*; a folder's name forbids all that is in it."""
    patterns = told.split()
    if not patterns:
        raise InputError("there are no paths")

    def objection(text: str) -> str | None:
        for path in paths(text):
            if why := _why(path, patterns):
                return f"{path} may not be changed: {why}"
        return None

    return pure(NAME, objection)


def paths(text: str) -> list[str]:
    """The paths that edit blocks and diffs in *text* name."""
    found = [match[1].strip("`*# \t\r") for match in _BLOCK.finditer(text)]
    found += [match[1].strip() for match in _DIFF.finditer(text) if match[1].strip() != "/dev/null"]
    return list(dict.fromkeys(found))


def _why(path: str, patterns: list[str]) -> str | None:
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "\\", "~")) or ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
        return "it leaves the tree"
    if any(part.lower() == ".git" for part in parts):
        return "it belongs to git"
    plain = "/".join(part for part in parts if part not in {"", "."})
    for pattern in patterns:
        bare = pattern.rstrip("/")
        if fnmatchcase(plain, pattern) or fnmatchcase(plain, f"{bare}/*") or fnmatchcase(parts[-1], pattern):
            return f"it matches {pattern}"
    return None
