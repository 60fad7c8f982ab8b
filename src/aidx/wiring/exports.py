"""What an export needs of the world: the catalogue's origins, and files to be written."""

from collections.abc import Mapping, Sequence


def repositories() -> Mapping[str, str]:
    """The repository of each model of the catalogue, by every name that it answers to."""
    from aidx.adapters.catalogue import read_catalogue

    return {name: entry.hf_id for entry in read_catalogue() for name in entry.names}


def write_files(folder: str, files: Sequence[tuple[str, str, bool]], *, force: bool) -> None:
    """Write *files* (name, text, program or not) into *folder*; see ``adapters.write.write_new``."""
    from aidx.adapters.write import write_new

    write_new(folder, files, force=force)
