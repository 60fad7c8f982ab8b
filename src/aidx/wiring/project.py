"""What ``aidx init`` needs of the world: the project it runs in, models on this machine, and the file to write."""

from pathlib import Path
from typing import TYPE_CHECKING

from aidx.errors import AidxError, InputError

if TYPE_CHECKING:
    from aidx.adapters.project import Project
    from aidx.plan.choice import Candidate

MOST = 40  # stored models that are weighed; each has its header read


def look() -> "Project":
    """What the project in the current folder says of itself."""
    from aidx.adapters.project import look as found

    return found(Path())


def stored_candidates() -> "tuple[Candidate, ...]":
    """Whole models in the stores of this machine, by the names that their programs take."""
    from msgspec.structs import replace

    from aidx.wiring.models import candidates, stored

    found: list[Candidate] = []
    listed, _ = stored()
    for each in [model for model in listed if not model.checkpoint][:MOST]:
        try:
            found += [replace(one, name=each.name) for one in candidates(each.name)]
        except AidxError:
            continue  # a projector, an adapter, a model that is not known: nothing to edit with
    return tuple(found)


def check_new(path: str, *, force: bool) -> None:
    """``InputError`` where *path* cannot be written, or is there already and not to be replaced by *force*."""
    from aidx.adapters.write import check_target

    target = check_target(path)
    if target.exists() and not force:
        raise InputError(
            f"{path} is there already, and was left as it is", hint="Change it by hand, or replace it with --force."
        )


def write(path: str, text: str) -> None:
    """Write *text* to *path*, whole or not at all."""
    from aidx.adapters.write import write_text

    write_text(path, text)
