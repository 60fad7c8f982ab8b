"""An aidx endpoint that runs already, seen from a client on the same machine."""

import asyncio
import json
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

from msgspec import Struct

from aidx.adapters.http import Pool
from aidx.errors import AidxError, CheckError, EngineError, InputError
from aidx.gate.admit import RefusedError

FIND_S = 1.0  # a server on this machine says who it is at once, or is none of ours


class Endpoint(Struct, frozen=True):
    """Where it listens, the models that it answers for, and the key that it wants."""

    url: str
    models: tuple[str, ...]
    key: str | None = None

    async def stream(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """The events that answer the chat completion request *body*.

        Raises the error of our own tree that the endpoint's answer stands for.
        """
        pool = _pool(self.url, self.key)
        try:
            async with pool.stream("POST", "/v1/chat/completions", body) as reply:
                if reply.status != 200:
                    raise _error(reply.status, await reply.whole())
                async for chunk in reply.chunks():
                    yield chunk
        finally:
            pool.close()


def find(url: str, key: str | None = None) -> Endpoint | None:
    """The endpoint at *url*; ``None`` where nothing listens, or something else.

    Raises ``InputError`` for a wrong address, and for an endpoint that wants another key.
    """
    return asyncio.run(_find(url, key))


async def _find(url: str, key: str | None) -> Endpoint | None:
    pool = _pool(url, key)
    try:
        async with asyncio.timeout(FIND_S):
            health = await pool.request("GET", "/health")
            if json.loads(health.body).get("server") != "aidx":
                return None
            status, found = await pool.request("GET", "/v1/models")
            if status == 401:
                raise InputError(
                    f"the endpoint at {url} wants another API key",
                    hint="Name the variable that holds it with --api-key-env, or use no endpoint: --url ''.",
                )
            return Endpoint(url, tuple(model["id"] for model in json.loads(found)["data"]), key)
    except (EngineError, TimeoutError, ValueError, AttributeError, KeyError, TypeError):
        return None
    finally:
        pool.close()


def _pool(url: str, key: str | None) -> Pool:
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or parts.hostname is None or not port:
        raise InputError(f"{url} is not the address of an endpoint", hint="Write it like http://127.0.0.1:8411.")
    return Pool(parts.hostname, port, {} if key is None else {"Authorization": f"Bearer {key}"})


def _error(status: int, body: bytes) -> AidxError:
    try:
        error = json.loads(body)["error"]
        message, code, hint = str(error["message"]), str(error["code"]), str(error.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        return EngineError(f"the endpoint answers with status {status}")
    if code in {"context_length_exceeded", "kv_budget_exhausted"}:
        return RefusedError(message, code=code, hint=hint, **{k: v for k, v in error.items() if isinstance(v, int)})
    if code in {"schema_not_satisfied", "not_verified"}:
        return CheckError(message, code=code, hint=hint)
    kind = InputError if status < 500 else EngineError
    return kind(message, code=code, hint=hint)
