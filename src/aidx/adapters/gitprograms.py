"""Which files of a tree git runs, or is configured by: hooks, and what its configuration names as programs."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from aidx.adapters.gitcall import LOOKING, call

# Keys whose values git runs, or reads more configuration from (git-config(1)).
_RUN = re.compile(
    r"core\.(?:fsmonitor|sshcommand|editor|pager|askpass|gitproxy|alternaterefscommand)|sequence\.editor"
    r"|filter\..*\.(?:clean|smudge|process)|diff\.external|diff\..*\.(?:command|textconv)|merge\..*\.driver"
    r"|(?:merge|diff|gui)tool\..*\.(?:cmd|path)|(?:browser|man)\..*\.(?:cmd|path)|gpg\.(?:.*\.)?program"
    r"|gpg\.ssh\.defaultkeycommand|credential\.(?:.*\.)?helper|alias\..*|pager\..*|interactive\.difffilter"
    r"|trailer\..*\.(?:command|cmd)|remote\..*\.(?:uploadpack|receivepack)|uploadpack\.packobjectshook"
    r"|submodule\..*\.update|hook\..*\.command|sendemail\..*cmd|imap\.tunnel|init\.templatedir"
    r"|include\.path|includeif\..*\.path",
    re.IGNORECASE,
)
_FOLDERS = re.compile(r"init\.templatedir", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s;|&()<>\"'`={}!$]+")  # the words of a line that a shell may be given
_HOOK = re.compile(r"[a-z0-9-]+")


def named(root: str, paths: Iterable[str]) -> dict[str, str]:
    """Which of *paths* below *root* git runs or is configured by, and how; none where there is no repository."""
    try:
        told = call(root, *LOOKING, "rev-parse", "--show-toplevel", "--git-path", "hooks")
        top, _, hooks = told.stdout.rstrip("\n").partition("\n")
        if told.returncode or not hooks:
            return {}
        settings = call(root, *LOOKING, "config", "--list", "-z", "--show-origin").stdout
    except OSError:
        return {}
    folder = Path(os.path.realpath(os.path.join(root, hooks)))  # noqa: PTH118 - may be absolute
    run = {**dict(_configured(settings, (top, root))), **dict.fromkeys(_led_to(folder), "is run by a hook of git")}
    found = {}
    for path in paths:
        full = Path(os.path.realpath(Path(root, path)))
        if (why := _hook(full, folder, top) or _told(full, run)) is not None:
            found[path] = why
    return found


def _hook(path: Path, folder: Path, top: str) -> str | None:
    """Whether *path* is one of the hooks in *folder*, which may be the tree itself."""
    if Path(os.path.realpath(top)).is_relative_to(folder):
        return "is a hook of git" if path.parent == folder and _HOOK.fullmatch(path.name) else None
    return "is in the folder of git's hooks" if _below(path, folder) else None


def _led_to(folder: Path) -> Iterator[str]:
    """Where the links in the *folder* of hooks lead."""
    if folder.is_dir():
        yield from (_folded(os.path.realpath(each)) for each in folder.iterdir() if each.is_symlink())


def _configured(text: str, bases: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each place that the settings in *text* name, from wherever it may be meant, and how."""
    fields = text.split("\0")
    for origin, setting in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = setting.partition("\n")
        file = origin.removeprefix("file:")
        if file != origin:
            yield from ((_folded(place), "is a part of git's configuration") for place in _places(file, bases))
        if not _RUN.fullmatch(key) or (key.startswith("alias.") and not value.startswith("!")):
            continue
        mark = "/" if _FOLDERS.fullmatch(key) else ""
        beside = (*bases, str(Path(bases[0], file).parent)) if "include" in key else bases
        for word in {value, *_BETWEEN.split(value)} - {"", "true", "false"}:
            yield from ((_folded(place) + mark, f"is named by git's {key}") for place in _places(word, beside))


def _places(word: str, bases: tuple[str, ...]) -> Iterator[str]:
    if "\0" not in word and len(word) < os.pathconf("/", "PC_PATH_MAX"):
        for base in bases:
            yield os.path.realpath(os.path.join(base, os.path.expanduser(word)))  # noqa: PTH111, PTH118 - only asked


def _told(path: Path, run: dict[str, str]) -> str | None:
    whole = (_folded(str(path)), *(f"{_folded(str(above))}/" for above in path.parents))
    return next((run[each] for each in whole if each in run), None)


def _below(path: Path, folder: Path) -> bool:
    return _folded(str(path)).startswith(f"{_folded(str(folder))}/")


def _folded(path: str) -> str:
    """*path* as a file system sees it that folds case."""
    return path.casefold()
