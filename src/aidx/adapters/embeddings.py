"""``/v1/embeddings`` of an engine or a service at an address that the user configured."""

import json
from collections.abc import Iterable

import httpcore2

from aidx.errors import EngineError, InputError
from aidx.ports.retrieval import vectors_in

AT_ONCE = 64  # texts of one request
SILENCE_S = 300.0  # a batch on a slow CPU
LARGEST = 256 << 20  # bytes of an answer
_KEY = frozenset({401, 403})
_LONG = ("too large", "too long", "context", "maximum", "exceed")  # how engines say it, some of them with status 500


class HttpEmbedder:
    """The model called *name* behind *url*; *key* is sent as a bearer token. See ``retrieval.Embedder``."""

    def __init__(self, url: str, name: str, key: str | None = None) -> None:
        self.name = name
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/v1/embeddings"
        self._headers: list[tuple[bytes | str, bytes | str]] = [("Content-Type", "application/json")]
        self._headers += [] if key is None else [("Authorization", f"Bearer {key}")]
        self._pool = httpcore2.ConnectionPool(max_connections=1)

    def embed(self, texts: Iterable[str]) -> tuple[tuple[float, ...], ...]:
        """See ``retrieval.Embedder``."""
        waiting = list(texts)
        found: list[tuple[float, ...]] = []
        for start in range(0, len(waiting), AT_ONCE):
            found += self._asked(waiting[start : start + AT_ONCE])
        return tuple(found)

    def close(self) -> None:
        """Drop the connection."""
        self._pool.close()

    def _asked(self, texts: list[str]) -> tuple[tuple[float, ...], ...]:
        body = json.dumps({"model": self.name, "input": texts, "encoding_format": "float"}).encode()
        timeout = {"connect": 10.0, "read": SILENCE_S, "write": SILENCE_S, "pool": 1.0}
        try:
            with self._pool.stream(
                "POST", self._url, headers=self._headers, content=body, extensions={"timeout": timeout}
            ) as response:
                answer = self._whole(response)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            why = str(error) or type(error).__name__
            raise EngineError(
                f"the embedder at {self._url} does not answer: {why}",
                hint="Start it, or correct the url of [roles.embedder].",
            ) from None
        if response.status != 200:
            raise self._refused(response.status, answer)
        return vectors_in(answer, len(texts))

    def _whole(self, response: httpcore2.Response) -> bytes:
        parts, size = [], 0
        for chunk in response.iter_stream():
            parts.append(chunk)
            size += len(chunk)
            if size > LARGEST:
                raise EngineError(f"the embedder at {self._url} answers without an end", hint="Check its address.")
        return b"".join(parts)

    def _refused(self, status: int, answer: bytes) -> EngineError | InputError:
        said = " ".join(answer[:2000].decode("utf-8", "replace").split())[:300]
        if status in {400, 413, 422} or (status == 500 and any(word in said.lower() for word in _LONG)):
            return InputError(f"the embedder refuses a text: {said}", hint="Check the model of [roles.embedder].")
        hint = (
            "Name the variable of its key in api_key_env of [roles.embedder]."
            if status in _KEY
            else "Check url and model of [roles.embedder]."
        )
        return EngineError(f"the embedder at {self._url} answers with status {status}: {said}", hint=hint)
