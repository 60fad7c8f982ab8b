"""A hub on loopback: repositories with files, as the API and the file server of the real one describe them."""

import hashlib
import json
from collections.abc import Mapping

from tests.fakes.server import Handler, Server, ranged, say

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def publish(
    server: Server,
    repo: str,
    files: Mapping[str, bytes],
    *,
    commit: str = COMMIT,
    revision: str = "main",
    lies: Mapping[str, object] | None = None,
    handlers: Mapping[str, Handler] | None = None,
) -> None:
    """Offer *files* as *repo*; *lies* replace what the API says of a file, *handlers* how it is served."""
    siblings = []
    for path, data in files.items():
        told = {"rfilename": path, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
        if path.endswith((".gguf", ".safetensors")):
            told["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 134}
        siblings.append({**told, **((lies or {}).get(path) or {})})
        served = (handlers or {}).get(path) or ranged(data, etag=f'"{sha256(data)}"')
        server.routes[f"/{repo}/resolve/{commit}/{path}"] = served
    info = json.dumps({"id": repo, "sha": commit, "private": False, "siblings": siblings, "tags": ["x"]}).encode()
    server.routes[f"/api/models/{repo}/revision/{revision}"] = say(200, {"Content-Type": "application/json"}, info)
