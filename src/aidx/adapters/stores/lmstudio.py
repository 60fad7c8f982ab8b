"""LM Studio's models: ``PUBLISHER/MODEL/FILE.gguf`` in the folder that its settings name."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aidx.adapters.stores.disk import files, folders, read_json, read_line, same_name, size_of
from aidx.errors import InputError
from aidx.model.pick import RepoFile, is_inside, models, pick
from aidx.model.spec import SourceName
from aidx.model.stored import Damaged, Stored

_HOMES: Final = (".lmstudio", ".cache/lm-studio")


class LMStudio:
    """The models that ``lms ls`` shows."""

    store: SourceName = "lmstudio"

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        del environ  # it reads none
        pointer = read_line(home / ".lmstudio-home-pointer")
        homes = [Path(pointer)] if pointer and Path(pointer).is_dir() else [home / each for each in _HOMES]
        chosen = ((read_json(each / "settings.json") or {}).get("downloadsFolder") for each in homes)
        named = [Path(each) for each in chosen if isinstance(each, str) and each]
        self._roots = tuple(dict.fromkeys((*named, *(each / "models" for each in homes))))

    def find(self, reference: str) -> Stored | Damaged | None:
        """``PUBLISHER/MODEL[@QUANT]``, ``PUBLISHER/MODEL/FILE.gguf``, or ``MODEL`` as ``lms load`` takes it."""
        path, _, quant = reference.partition("@")
        parts = path.split("/")
        if len(parts) > 3 or not is_inside(parts):
            return None
        for root in self._roots:
            for publisher, model in _folders(root, parts):
                found = self._in(root / publisher / model, f"{publisher}/{model}", quant or None, parts[2:])
                if found is not None:
                    return found
        return None

    def models(self) -> Iterator[Stored | Damaged]:
        """Every whole model."""
        for root in self._roots:
            for publisher in folders(root):
                for model in folders(root / publisher):
                    whole = models(_listed(root / publisher / model))
                    for parts in whole:
                        name = f"{publisher}/{model}" if len(whole) == 1 else f"{publisher}/{model}/{parts[0].path}"
                        yield self._stored(root / publisher / model, name, parts)

    def _in(self, folder: Path, name: str, quant: str | None, file: list[str]) -> Stored | Damaged | None:
        listed = _listed(folder)
        if file:
            found = [parts for parts in models(listed) if file[0] in {part.path for part in parts}]
            return self._stored(folder, f"{name}/{file[0]}", found[0]) if found else None
        try:
            parts = pick(listed, quant, name)
        except InputError:  # nothing whole here, or not the one that is wanted
            return None
        return self._stored(folder, name if quant is None else f"{name}@{quant}", parts)

    def _stored(self, folder: Path, name: str, parts: tuple[RepoFile, ...]) -> Stored | Damaged:
        for part in parts:
            if size_of(folder / part.path) is None:
                return Damaged(name, self.store, f"{part.path} is gone", "Download the model again in LM Studio.")
        return Stored(name, self.store, str(folder / parts[0].path))


def _folders(root: Path, parts: list[str]) -> Iterator[tuple[str, str]]:
    """Publisher and model folders that the name means; a name without publisher is looked for in all."""
    if len(parts) > 1:
        publisher = same_name(root, parts[0])
        model = None if publisher is None else same_name(root / publisher, parts[1])
        if publisher is not None and model is not None:
            yield publisher, model
        return
    wanted = parts[0].lower()
    for publisher in folders(root):
        for model in folders(root / publisher):
            if model.lower() in (wanted, f"{wanted}-gguf"):
                yield publisher, model


def _listed(folder: Path) -> list[RepoFile]:
    return [RepoFile(path, 0) for path in files(folder, depth=1)]


STORE = LMStudio
