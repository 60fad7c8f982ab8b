"""Ollama's store: a manifest names the blobs of a model; the blob of the weights is a GGUF file.

Layout: ``manifests/HOST/NAMESPACE/MODEL/TAG`` and ``blobs/sha256-…`` below ``OLLAMA_MODELS``
(Ollama's ``manifest/paths.go`` and ``types/model/name.go``, 2026).
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from aidx.adapters.stores.disk import files as files_below
from aidx.adapters.stores.disk import folders, read_json, same_name, size_of
from aidx.budget.sizes import gib
from aidx.model.spec import SourceName
from aidx.model.stored import Damaged, Stored

HOST: Final = "registry.ollama.ai"
NAMESPACE: Final = "library"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})\Z", re.ASCII)
_LAYER: Final = "application/vnd.ollama.image."


class Ollama:
    """The models that ``ollama list`` shows."""

    store: SourceName = "ollama"

    def __init__(self, environ: Mapping[str, str], home: Path) -> None:
        given = environ.get("OLLAMA_MODELS", "").strip()
        if given:
            self._roots: tuple[Path, ...] = (Path(given),)
        else:  # the service on Linux has a home of its own
            service = (Path("/usr/share/ollama/.ollama/models"),) if sys.platform == "linux" else ()
            self._roots = (home / ".ollama" / "models", *service)

    def find(self, reference: str) -> Stored | Damaged | None:
        """*reference* as ``ollama run`` takes it: ``MODEL[:TAG]``, ``NAMESPACE/MODEL``, ``hf.co/ORG/REPO:QUANT``."""
        parts = _parts(reference)
        if parts is None:
            return None
        for root in self._roots:
            folder = root / "manifests"
            for part in parts:
                found = same_name(folder, part)
                if found is None:
                    break
                folder /= found
            else:
                return self._read(root, folder)
        return None

    def models(self) -> Iterator[Stored | Damaged]:
        """Every manifest."""
        for root in self._roots:
            for host in folders(root / "manifests"):
                for path in files_below(root / "manifests" / host, depth=3):
                    if path.count("/") == 2:
                        yield self._read(root, root / "manifests" / host / path)

    def _read(self, root: Path, manifest: Path) -> Stored | Damaged:
        name = _shown(manifest.relative_to(root / "manifests").parts)
        content = read_json(manifest)
        layers = content.get("layers") if content is not None else None
        if not isinstance(layers, list):
            return self._damaged(name, f"the manifest {manifest} is damaged")
        weights = [layer for layer in layers if _kind(layer) == "model"]
        if len(weights) != 1:
            return self._damaged(name, f"its manifest names {len(weights)} GGUF files, one is planned")
        blob = _blob(root, weights[0])
        if blob is None:
            return self._damaged(name, f"the manifest {manifest} names no blob")
        size, wanted = size_of(blob), weights[0].get("size")
        if size is None:
            return self._damaged(name, f"its blob {blob.name[:19]}… is gone")
        if isinstance(wanted, int) and wanted != size:
            return self._damaged(name, f"its blob {blob.name[:19]}… has {size:,} bytes instead of {wanted:,}")
        beside = tuple(_beside(layer) for layer in layers if _kind(layer) in ("projector", "adapter"))
        return Stored(name, self.store, str(blob), beside)

    def _damaged(self, name: str, why: str) -> Damaged:
        return Damaged(name, self.store, why, f"Fetch it again: ollama pull {name}")


def _parts(reference: str) -> tuple[str, str, str, str] | None:
    """Host, namespace, model and tag of an Ollama name; ``None`` for what is none."""
    path, colon, tag = reference.partition(":")
    names = path.split("/")
    if len(names) > 3 or (colon and not tag):
        return None
    found = (*(HOST, NAMESPACE)[: 3 - len(names)], *names, tag or "latest")
    return (found[0], found[1], found[2], found[3]) if all(map(_NAME.match, found)) else None


def _shown(parts: tuple[str, ...]) -> str:
    host, namespace, model, tag = parts
    if host != HOST:
        return f"{host}/{namespace}/{model}:{tag}"
    return f"{model}:{tag}" if namespace == NAMESPACE else f"{namespace}/{model}:{tag}"


def _kind(layer: Any) -> str:  # noqa: ANN401 - JSON of another program
    kind = layer.get("mediaType") if isinstance(layer, dict) else None
    return kind.removeprefix(_LAYER) if isinstance(kind, str) and kind.startswith(_LAYER) else ""


def _blob(root: Path, layer: dict[str, Any]) -> Path | None:
    match = _DIGEST.match(str(layer.get("digest", "")))
    return None if match is None else root / "blobs" / f"sha256-{match[1]}"


def _beside(layer: dict[str, Any]) -> str:
    size = layer.get("size")
    amount = f" of {gib(size)}" if isinstance(size, int) and not isinstance(size, bool) and size > 0 else ""
    return f"{'a projector' if _kind(layer) == 'projector' else 'an adapter'}{amount}"


STORE = Ollama
