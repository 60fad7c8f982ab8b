"""vLLM, which runs already: OpenAI's interface, and ``/tokenize`` beside it, which counts."""

import asyncio
import json
from typing import Any

from aidx.adapters.http import Pool
from aidx.adapters.talk.address import Address, address, bearer, pool
from aidx.adapters.talk.attached import AttachedDeployment
from aidx.adapters.talk.counted import count_of
from aidx.adapters.talk.openai import OpenAIChat
from aidx.adapters.talk.readback import enough, told
from aidx.adapters.talk.refusal import refused
from aidx.errors import EngineError, InputError
from aidx.gate.estimate import texts_of
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import Enforced, Patience
from aidx.ports.engine import Allocated, Deployment, Launch

NAME = "vllm"
RUNS_ALREADY = True
HOME = "http://127.0.0.1:8000"
NOT_TOLD = ("cache_type_k", "cache_type_v", "batch_size", "parallel", "size of the KV cache")
COUNTED = Patience(60.0, 60.0)
ASKED = {"messages": [{"role": "user", "content": "."}], "add_generation_prompt": True}
TOOL = {"type": "function", "function": {"name": "aidx_canary", "parameters": {"type": "object", "properties": {}}}}
WORD = "zyxw"
SHAPED = {
    "messages": ASKED["messages"],
    "max_tokens": 12,
    "temperature": 0,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "probe", "strict": True, "schema": {"type": "string", "enum": [WORD]}},
    },
}


class Vllm:
    """The engine as a port."""

    def start(self, launch: Launch) -> Deployment:
        """Read back its model and context, and prove it with one answer."""
        return asyncio.run(_attach(launch))


class VllmChat(OpenAIChat):
    """Counts with vLLM's own template and tokenizer; *root* has the paths that are not OpenAI's."""

    def __init__(self, pool: Pool, root: Pool, *, model: str, enforced: Enforced) -> None:
        super().__init__(pool, model=model, who="vLLM", shape=_named, enforced=enforced)
        self._root = root
        self._named = model

    @property
    def precision(self) -> Precision:
        """As it answers."""
        return "exact"

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """Ask ``/tokenize``, which renders as an answer would."""
        found = json.loads(body)
        if kind != "chat":
            return sum([await self._count({"prompt": text}) for text in texts_of(found)])
        fields = {name: found[name] for name in ("messages", "tools") if found.get(name)}
        if not isinstance(fields.get("messages"), list):
            raise InputError("messages are a list of objects", code="invalid_request")
        return await self._count({**fields, "add_generation_prompt": True})

    async def takes_tools(self) -> bool:
        """Whether a tool makes the prompt longer: a template that says nothing of tools drops them."""
        try:
            bare, with_tool = await self._count(ASKED), await self._count({**ASKED, "tools": [TOOL]})
        except InputError:  # the template refuses them
            return False
        return bare != with_tool

    async def _count(self, fields: dict[str, Any]) -> int:
        body = json.dumps({"model": self._named, **fields}).encode()
        status, found = await self._root.request("POST", "/tokenize", body, patience=COUNTED)
        if status != 200:
            raise refused(status, found, who="vLLM")
        return count_of(found, "count", "vLLM does not answer /tokenize")

    def close(self) -> None:
        """Drop the connections."""
        super().close()
        self._root.close()


def _named(request: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """*request* with vLLM's own names: what it does not know it passes over."""
    del kind
    if (penalty := request.pop("repeat_penalty", None)) is not None:
        request["repetition_penalty"] = penalty
    return request


async def _attach(launch: Launch) -> AttachedDeployment:
    at = address(launch.urls[0] if launch.urls else HOME)
    at = at._replace(path=at.path.removesuffix("/v1"))
    who = f"vLLM at {at.shown}"
    root = pool(at, bearer(launch.key))
    try:
        context = _context(await told(root, "/v1/models", who=who), launch.name, who)
        enough(min(launch.settings.ctx_size, launch.settings.n_ctx_seq), context, who=who)
        build = await _build(root)
        chat = _chat(at, launch, "none")
        try:
            enforced = await (_embeds(chat, who) if launch.embedding else _probe(chat))
        finally:
            chat.close()
    finally:
        root.close()
    allocated = Allocated({}, context, build, 1, 0, assumed=NOT_TOLD)
    return AttachedDeployment(at.shown, allocated, lambda: _chat(at, launch, enforced), lambda: _look(at, launch.key))


def _chat(at: Address, launch: Launch, enforced: Enforced) -> VllmChat:
    headers = bearer(launch.key)
    spoken = pool(at._replace(path=f"{at.path}/v1"), headers)
    return VllmChat(spoken, pool(at, headers), model=launch.name, enforced=enforced)


def _context(listed: Any, model: str, who: str) -> int:  # noqa: ANN401 - JSON
    """``max_model_len`` of *model*; ``EngineError`` where it is not served there."""
    try:
        served = {str(each["id"]): int(each["max_model_len"]) for each in listed["data"]}
    except (KeyError, TypeError, ValueError):
        raise EngineError(f"{who} does not say what it serves", hint="Check the url.") from None
    if model not in served:
        raise EngineError(
            f"{who} serves {', '.join(sorted(served)) or 'nothing'}, and not {model}",
            hint="Start it with --served-model-name, or name its model.",
            code="model_not_there",
        )
    return served[model]


async def _build(root: Pool) -> str:
    try:
        found = await told(root, "/version", who="vLLM")
    except EngineError:
        return "vLLM"
    return f"vLLM {found.get('version', '')}".strip() if isinstance(found, dict) else "vLLM"


async def _probe(chat: VllmChat) -> Enforced:
    """One answer, end to end, and whether a schema decides what it says."""
    try:
        whole = b"".join([piece async for piece in chat.answer(json.dumps(SHAPED).encode(), slot=0)])
        said = json.loads(whole)["choices"][0]["message"]["content"]
    except InputError as error:
        raise EngineError(f"the engine does not answer: {error}") from None
    return "json_schema" if said == f'"{WORD}"' else "none"


async def _embeds(chat: VllmChat, who: str) -> Enforced:
    """One vector; a server of a model that answers has no path for it."""
    try:
        async for _ in chat.answer(b'{"input":["."]}', slot=0, kind="embedding"):
            pass
    except EngineError as error:
        if error.code != "model_not_there":
            raise
        raise EngineError(
            f"{who} does not embed",
            hint="Serve a model for embeddings there, with --runner pooling.",
            code="wrong_kind_of_model",
        ) from None
    return "none"


async def _look(at: Address, key: str | None) -> None:
    root = pool(at, bearer(key))
    try:
        status, body = await root.request("GET", "/health", patience=COUNTED)
        if status != 200:
            raise EngineError(f"vLLM is ill: status {status} {body[:100].decode('utf-8', 'replace')}")
    finally:
        root.close()


ENGINE = Vllm()
