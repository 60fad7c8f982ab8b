"""The model that ships with the package."""

from pathlib import Path

import aidx

NAME = "aidx-tiny"
# The engine opens the file by its path, so that the package has to lie in a folder anyway; importlib.resources
# would say the same and takes 6 ms to import.
DATA = Path(aidx.__file__).parent / "data"


def path() -> str:
    """The path of ``aidx-tiny`` in the installed package."""
    return str(DATA / "aidx-tiny.gguf")


def tasks() -> str:
    """The held-out edits of ``aidx-tiny`` as JSON: kind, file, instruction, source, edited."""
    return (DATA / "aidx-tiny-tasks.json").read_text("utf-8")


def loss_text() -> str:
    """Code and chat: what ``aidx loss`` reads when no other text is named."""
    return (DATA / "loss-text.txt").read_text("utf-8")
