"""Where routers lie: the shipped one in the package, a trained one in ``.aidx`` of the project."""

import json
import os
from contextlib import suppress
from pathlib import Path

import aidx
from aidx.adapters.write import write_text
from aidx.errors import InputError
from aidx.patterns.router.model import Router
from aidx.patterns.router.stored import LARGEST, dumps, loads
from aidx.userfile import read_bytes, read_input

FOLDER, NAME = ".aidx", "router.json"
TRAINED = f"{FOLDER}/{NAME}"
FEEDBACK = "feedback.jsonl"
SHIPPED = "shipped with aidx"
MOST_BYTES = 256 << 20  # of labelled prompts


def shipped() -> Router:
    """The router that was trained on the project's own prompts."""
    return loads((Path(aidx.__file__).parent / "data" / NAME).read_bytes(), NAME)


def current(file: str | None = None) -> tuple[Router, str]:
    """The router at *file*, else the project's trained one, else the shipped one; and where it came from."""
    if file is None and not os.path.lexists(TRAINED):
        return shipped(), SHIPPED
    path = file or TRAINED
    return loads(read_bytes(path, "a router", LARGEST), path), path


def keep(router: Router, file: str | None = None) -> str:
    """Write *router* to *file*, else to the project's place, whole or not at all; where it went."""
    path = file or TRAINED
    if file is None:
        own_folder()
    write_text(path, dumps(router))
    return path


def own_folder() -> Path:
    """``.aidx`` of the project, made where it is missing, and kept out of version control."""
    folder = Path(FOLDER)
    try:
        folder.mkdir(exist_ok=True)
        ignored = folder / ".gitignore"
        if not ignored.exists():
            ignored.write_bytes(b"*\n")
    except OSError as wrong:
        raise InputError(f"cannot write {FOLDER}: {wrong.strerror or wrong}", hint="Give --out FILE.") from None
    return folder


def contents(path: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of the file at *path* (``-``: standard input); ``InputError`` for what cannot be read or is larger."""
    return read_input(path, "labelled prompts", most, hint="Name a file of labelled prompts, or - for standard input.")


def note(prompt: str, label: str) -> None:
    """Add a labelled prompt to the project's feedback, as one line; a file that cannot be written is no error.

    A request was answered already: it must not fail because of what is written down about it. Only the user may read
    the file.
    """
    line = json.dumps({"prompt": prompt, "label": label, "source": "cascade"}, ensure_ascii=False) + "\n"
    with suppress(OSError, InputError, UnicodeEncodeError):
        path = own_folder() / FEEDBACK
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(line.encode())
