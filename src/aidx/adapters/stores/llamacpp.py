"""llama.cpp's own cache of before 2026: flat files, and a manifest for each tag that was asked for.

``manifest=ORG=REPO=TAG.json`` names a file of the repository, which lies beside it as ``ORG_REPO_FILE`` with
``_`` for ``/`` (llama.cpp, ``common/download.cpp`` and ``common/common.cpp``, 2025).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aidx.adapters.reference import HubModel, parse, tagged
from aidx.adapters.stores.disk import entries, read_json, same_name, size_of
from aidx.errors import InputError
from aidx.model.pick import is_model
from aidx.model.spec import SourceName
from aidx.model.stored import Damaged, Stored

_MANIFEST: Final = "manifest="


class LlamaCpp:
    """The models that ``llama-server -hf`` fetched."""

    store: SourceName = "llama.cpp"

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        self._root = _folder(environ, home)

    def find(self, reference: str) -> Stored | Damaged | None:
        """*reference* as ``-hf`` takes it: ``ORG/REPO[:QUANT]``, with ``hf.co/`` before it too."""
        try:
            wanted = parse(reference)
        except InputError:  # whoever asks the network says what is wrong with it
            return None
        wanted = tagged(reference) if wanted is None else wanted
        if not isinstance(wanted, HubModel):
            return None
        if wanted.path is not None:
            path = self._root / f"{wanted.repo}_{wanted.path}".replace("/", "_")
            return Stored(wanted.name, self.store, str(path)) if size_of(path) is not None else None
        owner, repo = wanted.repo.split("/")
        manifest = same_name(self._root, f"{_MANIFEST}{owner}={repo}={wanted.quant or 'latest'}.json")
        return None if manifest is None else self._read(manifest)

    def models(self) -> Iterator[Stored | Damaged]:
        """What the manifests name, then model files that none names."""
        seen = set()
        for entry in entries(self._root):
            if entry.name.startswith(_MANIFEST) and entry.name.endswith(".json"):
                found = self._read(entry.name)
                if isinstance(found, Stored):
                    seen.add(found.path)
                yield found
        for entry in entries(self._root):
            path = str(self._root / entry.name)
            if is_model(entry.name) and path not in seen and not _is_later_part(entry.name):
                yield Stored(entry.name.removesuffix(".gguf"), self.store, path)

    def _read(self, manifest: str) -> Stored | Damaged:
        parts = manifest.removeprefix(_MANIFEST).removesuffix(".json").split("=")
        name = f"hf.co/{'/'.join(parts[:2])}:{parts[2]}" if len(parts) == 3 else manifest
        content = read_json(self._root / manifest) or {}
        file, projector = (content.get(key) for key in ("ggufFile", "mmprojFile"))
        inside = file.get("rfilename") if isinstance(file, dict) else None
        if not isinstance(inside, str) or len(parts) != 3:
            return self._damaged(name, f"the manifest {manifest} is damaged")
        path = self._root / f"{parts[0]}_{parts[1]}_{inside}".replace("/", "_")
        if path.parent != self._root or size_of(path) is None:
            return self._damaged(name, f"its file {path.name} is gone")
        return Stored(name, self.store, str(path), ("a projector",) if projector else ())

    def _damaged(self, name: str, why: str) -> Damaged:
        return Damaged(name, self.store, why, f"Fetch it again: llama-server -hf {name.removeprefix('hf.co/')}")


def _folder(environ: Mapping[str, str], home: Path) -> Path:
    """``fs_get_cache_directory`` of llama.cpp."""
    if given := environ.get("LLAMA_CACHE", "").strip():
        return Path(given)
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "llama.cpp"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA", str(home / "AppData" / "Local"))) / "llama.cpp"
    return Path(environ.get("XDG_CACHE_HOME", "").strip() or home / ".cache") / "llama.cpp"


def _is_later_part(name: str) -> bool:
    stem = name.removesuffix(".gguf")
    return stem[-9:-5] == "-of-" and stem[-15:-14] == "-" and stem[-14:-9] != "00001"


STORE = LlamaCpp
