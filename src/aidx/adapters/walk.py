"""The files of a tree that are worth indexing; what is left out is said, and no link is ever followed.

``.gitignore`` is read with pathspec and not by asking git: git need not be there, a tree need not be a repository,
and git runs programs that a repository's own configuration names (``core.fsmonitor``).
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pathspec

from aidx.errors import InputError
from aidx.ports.retrieval import DEEPEST, Skipped, SourceFile
from aidx.userfile import opened

MOST_BYTES = 1 << 20  # of a file: larger ones are data or generated
MOST_PATTERNS = 1 << 20  # bytes of a .gitignore
NEVER = frozenset({".git", ".hg", ".svn", ".aidx"})
MADE = frozenset({"node_modules", "__pycache__", ".venv", ".tox", ".nox", ".mypy_cache", ".ruff_cache"})
# What holds keys must not reach an index, and from there the prompt of a model elsewhere.
SECRET = re.compile(
    r"\.env(?:\.(?!example$|sample$|template$).*)?|.*\.(?:pem|key|p12|pfx|kdbx|jks)|id_(?:rsa|dsa|ecdsa|ed25519)"
    r"|\.(?:netrc|npmrc|pypirc|pgpass|htpasswd)",
    re.IGNORECASE,
)
MARK = "ps_d"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Pattern(NamedTuple):
    """One line: whether what matches is left out, or taken back, and whether it is about folders only."""

    regex: re.Pattern[str]
    out: bool
    folders: bool

    def matches(self, path: str, *, folder: bool) -> bool:
        """Whether *path* itself matches; that a folder above it does is no match, since that folder was asked before.

        pathspec's expressions match everything below a folder as well, and mark the slash where it ends.
        """
        text = f"{path}/" if folder and self.folders else path
        found = self.regex.finditer(text)
        return any(match.groupdict().get(MARK) is None or match.end(MARK) == len(text) for match in found)


class _Rules(NamedTuple):
    """The patterns of one ``.gitignore``; *base* is its folder, as seen from where the patterns' paths begin."""

    base: str
    patterns: tuple[_Pattern, ...]


class Walk:
    """The files below *root*, in a fixed order; *ignored* counts the paths that a ``.gitignore`` left out.

    Raises ``InputError`` where *root* is no folder that can be read.
    """

    def __init__(self, root: str, *, most_bytes: int = MOST_BYTES) -> None:
        self.root = Path(os.path.realpath(root))
        self.ignored = 0
        self._most_bytes = most_bytes
        self._top, self._rules = _above(self.root)
        try:
            self._fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(
                f"cannot index {root}: {error.strerror}", hint="Give a folder that you may read."
            ) from None

    def __iter__(self) -> Iterator[SourceFile | Skipped]:
        self.ignored = 0
        yield from self._inside(os.dup(self._fd), "", self._rules)

    def below(self, prefix: str) -> Iterator[SourceFile | Skipped]:
        """The same, with *prefix* before each path."""
        for each in self:
            yield each._replace(path=f"{prefix}{each.path}")

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._fd)

    def _inside(self, folder: int, prefix: str, rules: tuple[_Rules, ...]) -> Iterator[SourceFile | Skipped]:
        """Everything in the open *folder*, which is closed."""
        try:
            rules = _with(rules, self._base(prefix), folder)
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            for entry in found:
                yield from self._entry(entry, folder, prefix, rules)
        finally:
            os.close(folder)

    def _entry(
        self, entry: os.DirEntry[str], folder: int, prefix: str, rules: tuple[_Rules, ...]
    ) -> Iterator[SourceFile | Skipped]:
        path = f"{prefix}{entry.name}"
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in NEVER:
            return
        if not _sayable(path):
            yield Skipped(path.encode("utf-8", "backslashreplace").decode(), "its name is not UTF-8")
        elif _ignored(rules, f"{self._base('')}{path}", folder=is_folder):
            self.ignored += 1
        elif is_folder:
            yield from self._folder(entry, folder, path, rules)
        else:
            yield self._file(entry, folder, path)

    def _folder(
        self, entry: os.DirEntry[str], folder: int, path: str, rules: tuple[_Rules, ...]
    ) -> Iterator[SourceFile | Skipped]:
        if entry.name in MADE:
            yield Skipped(f"{path}/", "made by a tool")
            return
        if path.count("/") >= DEEPEST:
            yield Skipped(f"{path}/", f"more than {DEEPEST} folders deep")
            return
        try:
            inner = os.open(entry.name, _FOLDER, dir_fd=folder)
        except OSError as error:
            yield Skipped(f"{path}/", _why(error))
            return
        yield from self._inside(inner, f"{path}/", rules)

    def _file(self, entry: os.DirEntry[str], folder: int, path: str) -> SourceFile | Skipped:
        if entry.is_symlink():
            return Skipped(path, "a link")
        if SECRET.fullmatch(entry.name):
            return Skipped(path, "may hold secrets")
        try:
            fd = os.open(entry.name, _FILE, dir_fd=folder)
        except OSError as error:
            return Skipped(path, _why(error))
        with os.fdopen(fd, "rb") as file:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                return Skipped(path, "no regular file")
            if about.st_size > self._most_bytes:
                return Skipped(path, f"{about.st_size:,} bytes, more than {self._most_bytes:,}")
            data = file.read(self._most_bytes + 1)
        if len(data) > self._most_bytes:
            return Skipped(path, f"it grew over {self._most_bytes:,} bytes")
        return SourceFile(path, data)

    def _base(self, prefix: str) -> str:
        """*prefix* as seen from the top of the repository."""
        below = self.root.relative_to(self._top).as_posix()
        return prefix if below == "." else f"{below}/{prefix}"


def _above(root: Path) -> tuple[Path, tuple[_Rules, ...]]:
    """The top of the repository that *root* lies in (else *root*), and the rules of the folders above *root*."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    rules: tuple[_Rules, ...] = ()
    for general in (_personal(), top / ".git" / "info" / "exclude"):
        with suppress(InputError), opened(str(general), "a list of patterns") as file:
            rules = (*rules, _Rules("", _patterns(os.read(file.handle, MOST_PATTERNS))))
    for folder in reversed(root.parents):
        if folder.is_relative_to(top):
            below = folder.relative_to(top).as_posix()
            with suppress(OSError):
                fd = os.open(folder, _FOLDER)
                try:
                    rules = _with(rules, "" if below == "." else f"{below}/", fd)
                finally:
                    os.close(fd)
    return top, rules


def _personal() -> Path:
    """Where git looks for patterns of one's own, unless its configuration names another file."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "git" / "ignore"


def _with(rules: tuple[_Rules, ...], base: str, folder: int) -> tuple[_Rules, ...]:
    """*rules*, and those of the ``.gitignore`` in the open *folder*, if it has one that is a file."""
    try:
        fd = os.open(".gitignore", _FILE, dir_fd=folder)
    except OSError:
        return rules
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return rules
        return (*rules, _Rules(base, _patterns(file.read(MOST_PATTERNS))))


def _patterns(data: bytes) -> tuple[_Pattern, ...]:
    found = []
    for line in data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").split("\n"):
        with suppress(ValueError):  # git takes no notice of a pattern that is none
            for each in pathspec.GitIgnoreSpec.from_lines([line.removesuffix("\r")]).patterns:
                regex = each.regex
                if each.include is not None and isinstance(regex, re.Pattern):
                    found.append(_Pattern(regex, each.include, regex.pattern.endswith(f"(?P<{MARK}>/)")))
    return tuple(found)


def _ignored(rules: tuple[_Rules, ...], path: str, *, folder: bool) -> bool:
    """What the last pattern says that matches, of the innermost rules that have one."""
    for base, patterns in reversed(rules):
        inside = path.removeprefix(base)
        for pattern in reversed(patterns):
            if pattern.matches(inside, folder=folder):
                return pattern.out
    return False


def _sayable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"
