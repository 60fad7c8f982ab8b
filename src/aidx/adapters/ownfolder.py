"""Our own folder in a tree, ``.aidx``: made, kept out of version control, and never reached through a link."""

import os
from contextlib import closing
from pathlib import Path

from aidx.adapters.workspace.failing import hint
from aidx.adapters.workspace.tree import Tree
from aidx.errors import InputError
from aidx.ports.workspace import RefusedPathError

TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# What lies here can be made again: see https://bford.info/cachedir/\n"


def own_file(root: str, name: str) -> Path:
    """Where ``.aidx/NAME`` of the tree *root* lies; its folder is made, and marked as one that need not be saved.

    Raises ``InputError`` where a link stands in the way: a tree from elsewhere does not choose where we write.
    """
    path = f".aidx/{name}"
    with closing(Tree(root)) as tree:
        try:
            if tree.read(".aidx/.gitignore") is None:
                tree.write(".aidx/.gitignore", b"*\n")
            tag = f"{path.rpartition('/')[0]}/CACHEDIR.TAG"
            if tree.read(tag) is None:
                tree.write(tag, TAG)
            _check(tree.root / path)
        except RefusedPathError as refused:
            raise InputError(f"cannot keep {path} in {root}: {refused.detail}", hint="Remove the link.") from None
        except OSError as error:
            raise InputError(
                f"cannot write {Path(root).resolve()}/{path}: {error.strerror}", hint=hint(error), code="cannot_write"
            ) from None
        return tree.root / path


def _check(path: Path) -> None:
    if path.is_symlink():
        raise RefusedPathError("not_allowed", f"{path.name} is a link")


def shared_file(name: str) -> Path:
    """Where what all projects share lies: the user's data folder."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "aidx" / name
