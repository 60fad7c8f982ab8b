"""Whether a program can be started, seen without starting it."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

_INTERPRETER = re.compile(rb"#![ \t]*(/\S*)")


def objection(program: str, folder: str) -> str | None:
    """Why *program* cannot be started in *folder*; ``None`` where nothing speaks against it."""
    if "/" in program:
        return _unusable(program, Path(folder, program))
    found = shutil.which(program, path=_search(folder))
    return f"{program} is not on PATH" if found is None else _unusable(program, Path(found))


def same_file(path: str, programs: Iterable[str], folder: str) -> bool:
    """Whether *path* below *folder* is what one of *programs* would start there."""
    real = os.path.realpath(Path(folder, path))
    return any(real == os.path.realpath(place) for program in programs if (place := _place(program, folder)))


def _place(program: str, folder: str) -> Path | None:
    if "/" in program:
        return Path(folder, program)
    found = shutil.which(program, path=_search(folder))
    return None if found is None else Path(found)


def _search(folder: str) -> str:
    """PATH as a program sees it that is started in *folder*."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(str(Path(folder, place)) for place in places)


def _unusable(program: str, path: Path) -> str | None:
    try:
        if not path.exists():
            return f"{program} is not there"
    except OSError as error:  # a name that is too long, say
        return f"{program}: {error.strerror}"
    if not path.is_file():
        return f"{program} is no file"
    if not os.access(path, os.X_OK):
        return f"{program} may not be executed"
    by = _interpreter(path)
    return None if by is None or Path(by).exists() else f"{program} begins with #!{by}, which is not there"


def _interpreter(path: Path) -> str | None:
    """What a script says that runs it; ``None`` for one that says nothing, or may be run and not read."""
    try:
        with path.open("rb") as file:
            found = _INTERPRETER.match(file.readline(256))
    except OSError:
        return None
    return None if found is None else os.fsdecode(found[1])
