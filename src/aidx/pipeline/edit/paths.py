"""Which paths an edit may name at all: judged by their letters, before anything is looked up.

File systems fold case and drop trailing dots, Windows has short names and streams: what could be one of the
protected names on any of them is refused on all of them.
"""

import re
import unicodedata
from collections.abc import Collection

from aidx.pipeline.edit.refusal import EditRefusedError
from aidx.ports.retrieval import DEEPEST

OWN = ".aidx"
_NEVER = frozenset({".git", OWN, "git~1", "aidx~1"})
# What other programs run by themselves: changed only where it is named, file by file.
_RUN_BY_OTHERS = re.compile(
    r"\.github/(?:workflows|actions)/.*|\.gitlab-ci\.ya?ml|\.circleci/.*|\.husky/.*|\.githooks/.*|jenkinsfile"
    r"|azure-pipelines\.ya?ml|\.pre-commit-config\.ya?ml|\.travis\.ya?ml|\.drone\.ya?ml|\.buildkite/.*"
    r"|(?:.*/)?aidx\.toml|(?:.*/)?\.aider\.conf\.ya?ml"  # they choose commands
    r"|\.gitattributes|\.gitmodules|\.envrc|\.vscode/.*|\.devcontainer/.*|\.ci/.*"
    r"|\.woodpecker(?:\.ya?ml|/.*)|bitbucket-pipelines\.ya?ml|\.(?:gitea|forgejo)/workflows/.*|\.cirrus\.(?:ya?ml|star)"
    r"|\.?appveyor\.ya?ml|cloudbuild\.ya?ml|\.gitlab/.*|\.teamcity/.*|\.?lefthook\.ya?ml|\.hg/.*|\.git-hooks/.*"
    r"|(?:.*/)?\.npmrc|\.mcp\.json|\.(?:claude|cursor)/.*"
)
_LISTED = 8  # of the files that may be changed, in an error
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")


def checked(path: str, allowed: Collection[str] | None = None) -> str:
    """*path* in its plain form, ``/`` between its parts.

    *allowed* holds the files (``a/b.py``) and folders (``a/``) that may be changed; ``None`` allows every file
    that no other program runs by itself. Raises ``EditRefusedError`` for every other path.
    """
    plain = _plain(path)
    folded = [_folded(part) for part in plain.split("/")]
    if any(part in _NEVER for part in folded):
        raise EditRefusedError("not_allowed", f"{path} is inside a folder that no edit may touch")
    if any(_DEVICES.fullmatch(part) for part in folded):
        raise EditRefusedError("not_allowed", f"{path} is the name of a device on some systems")
    if allowed is not None and plain in allowed:
        return plain
    if _RUN_BY_OTHERS.fullmatch("/".join(folded)):
        raise EditRefusedError(
            "not_allowed",
            f"{path} is run by other programs, or names what they run: it must be allowed by its own name",
        )
    if allowed is not None and not any(_inside(plain, folder) for folder in allowed):
        raise EditRefusedError("not_allowed", f"{path} is not among the files that may be changed: {_listed(allowed)}")
    return plain


def _listed(allowed: Collection[str]) -> str:
    names = sorted(allowed)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}" or "none"


def nested(one: str, other: str) -> bool:
    """Whether of two different files one would have to be the folder of the other."""
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")


def may_be_allowed(path: str) -> bool:
    """Whether *path* may change where it is allowed by its own name: never, for some."""
    try:
        checked(path, (_plain(path),))
    except EditRefusedError:
        return False
    return True


def _inside(path: str, folder: str) -> bool:
    return folder in {".", "./"} or (folder.endswith("/") and path.startswith(folder.removeprefix("./")))


def _plain(path: str) -> str:
    """*path* without ``./``; raises where it is no relative path below the root."""
    if not path or any(ord(character) < ord(" ") or character == "\x7f" for character in path):
        raise EditRefusedError("not_allowed", f"{path!r} is no file name")
    if "\\" in path:
        raise EditRefusedError("not_allowed", f"{path} has a backslash: write / between folders")
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        raise EditRefusedError("outside_root", f"{path} is not below the root: give a path relative to it")
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise EditRefusedError("outside_root", f"{path} climbs with ..: give a plain path below the root")
    if not parts or path.endswith("/"):
        raise EditRefusedError("not_allowed", f"{path} names a folder, not a file")
    if len(parts) > DEEPEST + 1:
        raise EditRefusedError("not_allowed", f"{parts[0]}/… is more than {DEEPEST} folders deep")
    if any(":" in part for part in parts):
        raise EditRefusedError("not_allowed", f"{path} has a colon, which names a stream on some systems")
    return "/".join(parts)


def _folded(part: str) -> str:
    """*part* as the most forgiving file system sees it: no case, no ignored characters, no dots at the end."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", part) if unicodedata.category(c) != "Cf")
    return seen.casefold().rstrip(". ")
