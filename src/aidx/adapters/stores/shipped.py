"""The model that ships with the package."""

from importlib.resources import files

NAME = "aidx-tiny"


def path() -> str:
    """The path of ``aidx-tiny`` in the installed package."""
    return str(files("aidx") / "data" / "aidx-tiny.gguf")


def tasks() -> str:
    """The held-out edits of ``aidx-tiny`` as JSON: kind, file, instruction, source, edited."""
    return (files("aidx") / "data" / "aidx-tiny-tasks.json").read_text("utf-8")
