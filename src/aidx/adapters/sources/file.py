"""A path: a .gguf file, or a folder with a checkpoint."""

import re
from os.path import isdir, isfile  # unlike those of Path, false for a name that no file system takes
from pathlib import Path
from typing import TYPE_CHECKING

from aidx.errors import InputError
from aidx.model.found import Resolved, Wanted
from aidx.model.spec import ModelSpec, SourceName
from aidx.userfile import kind

if TYPE_CHECKING:
    from aidx.adapters.stores.found import FileHeader

_CONFIG = "config.json"  # importing the parser of checkpoints only to name it would cost milliseconds
_LONGEST = 4096  # characters of a path on Linux; fewer elsewhere
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class File:
    """Knows everything that looks like a path, and everything that is one."""

    def find(self, wanted: Wanted) -> Resolved | None:
        """The model at a path; raises ``InputError`` for one that leads nowhere."""
        path = wanted.reference
        if not _is_path(path):
            return None
        if len(path) > _LONGEST:
            raise InputError(f"a path of {len(path):,} characters, which no system takes", hint="Check the path.")
        if isdir(path):  # noqa: PTH112 - see the import
            return _folder(Path(path), wanted)
        refuse_quant(wanted)
        return Resolved(model_at(path, name=Path(path).name, source="file"))


def model_at(path: str, *, name: str, source: SourceName) -> ModelSpec:
    """The model in the file at *path*; raises ``InputError`` that names it."""
    from aidx.adapters import headercache
    from aidx.model.build import from_header

    found = headercache.read(path, _read)
    return from_header(
        found.header,
        name=name,
        source=source,
        file_bytes=found.file_bytes,
        path=found.paths[0],
        split_paths=found.paths if len(found.paths) > 1 else (),
    )


def _read(path: str) -> "FileHeader":
    from aidx.adapters.stores.file import read_header

    return read_header(path)


def refuse_quant(wanted: Wanted) -> None:
    """Raise ``InputError`` where a quantization is asked of a file that has one."""
    if wanted.quant is not None:
        raise InputError(
            f"--quant {wanted.quant} does not apply to a file that is already there: {wanted.reference}",
            hint="Leave --quant out, or give a catalogue name.",
        )


def refuse_place(path: str) -> None:
    """Raise ``InputError`` where something stands at *path* that is neither a file nor a checkpoint.

    Asked when no model is called so: a folder or a pipe of that name is what was meant, then.
    """
    found = kind(path)
    if found == "a directory":
        _folder(Path(path), Wanted(path))
    elif found is not None:
        raise InputError(f"{path}: {found}, not a GGUF model", hint="Name a .gguf file.")


def _folder(path: Path, wanted: Wanted) -> Resolved:
    from aidx.adapters.checkpoint import Folder, resolve

    if not (path / _CONFIG).exists():
        inside = sorted(path.glob("*.gguf"))
        raise InputError(
            f"{path}: a directory, and no checkpoint: there is no {_CONFIG}",
            hint=f"Name the file: {inside[0]}" if inside else "Name a .gguf file, or the folder of a checkpoint.",
        )
    return resolve(Folder(path), wanted, wanted.quant, path.name)


def _is_path(reference: str) -> bool:
    if reference.lower().startswith(("hf.co/", "huggingface.co/", "http://", "https://")):
        return False
    if reference.startswith(("/", "./", "../", "~", ".\\", "..\\")) or _DRIVE.match(reference):
        return True
    if reference.lower().endswith(".gguf"):
        return True
    # A folder that happens to be called like a model is one only where it holds a checkpoint.
    return isfile(reference) or ("/" in reference and isdir(reference)) or isfile(f"{reference}/{_CONFIG}")  # noqa: PTH112, PTH113 - see the import
