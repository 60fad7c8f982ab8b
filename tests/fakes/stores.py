"""Folders as Ollama, the Hugging Face cache, LM Studio and llama.cpp leave them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


def ollama(
    root: Path, data: bytes, *names: str, layers: tuple[tuple[str, bytes], ...] = (), size: int | None = None
) -> Path:
    """Put *data* into the store at *root* (``OLLAMA_MODELS``) under manifests HOST/NAMESPACE/MODEL/TAG."""
    described = []
    for kind, content in (("model", data), *layers):
        digest = hashlib.sha256(content).hexdigest()
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        (root / "blobs" / f"sha256-{digest}").write_bytes(content)
        told = len(content) if size is None or kind != "model" else size
        media = f"application/vnd.ollama.image.{kind}"
        described.append({"mediaType": media, "digest": f"sha256:{digest}", "size": told})
    for name in names:
        manifest = root / "manifests" / name
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"schemaVersion": 2, "config": {}, "layers": described}))
    return root / "blobs" / f"sha256-{hashlib.sha256(data).hexdigest()}"


def huggingface(
    root: Path, repo: str, files: Mapping[str, bytes], *, commit: str = COMMIT, ref: str | None = "main"
) -> Path:
    """Put *files* of *repo* into the cache at *root* (``HF_HUB_CACHE``); the snapshot."""
    folder = root / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).symlink_to("../" * (path.count("/") + 2) + f"blobs/{blob.name}")
    if ref is not None:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(commit)
    return snapshot


def lmstudio(models: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Put *files* into ``PUBLISHER/MODEL`` below *models*."""
    folder = models / name
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (folder / path).write_bytes(data)
    return folder


def llamacpp(root: Path, repo: str, tag: str, file: str, data: bytes | None, *, mmproj: bool = False) -> Path:
    """Put *file* of *repo* into the cache at *root* (``LLAMA_CACHE``) with its manifest; *data* ``None``: no file."""
    root.mkdir(parents=True, exist_ok=True)
    content = {
        "ggufFile": {"rfilename": file, "size": 1},
        **({"mmprojFile": {"rfilename": "m.gguf"}} if mmproj else {}),
    }
    (root / f"manifest={repo.replace('/', '=')}={tag}.json").write_text(json.dumps(content))
    path = root / f"{repo}_{file}".replace("/", "_")
    if data is not None:
        path.write_bytes(data)
    return path
