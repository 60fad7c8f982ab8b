"""OpenAI, and every service that speaks as OpenAI does: Gemini, DeepSeek, OpenRouter, or one of one's own.

``url`` is the base that the service's own page names for OpenAI clients; without it, OpenAI's. Chat completions as
OpenAI's API reference has them (2026-10).
"""

import asyncio
import json
from typing import Any

from aidx.adapters.http import Pool
from aidx.adapters.talk.address import Address, address, bearer, outside
from aidx.adapters.talk.again import RetryBudget, Retrying
from aidx.adapters.talk.attached import AttachedDeployment
from aidx.adapters.talk.counted import INPUT_TOKENS, RESPONSES, TOKENIZE, Asked, Spelling, find, way
from aidx.adapters.talk.openai import OpenAIChat
from aidx.adapters.talk.readback import told
from aidx.errors import EngineError, InputError
from aidx.patterns.prompt import Kind
from aidx.ports.chat import Enforced
from aidx.ports.engine import Allocated, Deployment, Launch

NAME = "openai"
OUTSIDE = True  # asked by a proxy, where the environment names one
HOME = "https://api.openai.com/v1"
NAMES_OF_OUTPUT = {"api.openai.com": "max_completion_tokens"}  # its newer models do not take max_tokens
HOLD = frozenset({"api.openai.com", "generativelanguage.googleapis.com"})  # to schemas, as their pages say
ROUTER = "openrouter.ai"
NOT_TOLD = ("context", "token counts", "KV cache")


class OpenAI:
    """The service as a port."""

    def start(self, launch: Launch) -> Deployment:
        """Ask whether it has the model, which also tries the key and costs nothing."""
        at = base(launch.urls[0] if launch.urls else HOME)
        if at.host in NAMES_OF_OUTPUT and launch.key is None:
            raise InputError(
                f"{at.host} wants a key", hint='Add api_key_env = "OPENAI_API_KEY", and set that variable.'
            )
        enforced = asyncio.run(_check(at, launch))
        budget = RetryBudget()
        headers = bearer(launch.key)

        def counter(spelling: Spelling) -> Pool:
            root = at._replace(path=at.path.removesuffix("/v1"))
            return outside(root if spelling.at_root else at, headers)

        spelling = None if launch.counting == "estimated" else asyncio.run(find(_spellings(at), counter, launch.name))

        def talk() -> Retrying:
            by = way(launch.counting, spelling, lambda found: Asked(counter(found), found, launch.name, at.host))
            chat = OpenAIChat(
                outside(at, headers), model=launch.name, who=at.host, shape=_shape(at), enforced=enforced, by=by
            )
            return Retrying(chat, budget)

        there = Allocated({}, launch.settings.ctx_size, f"{launch.name} at {at.shown}", 1, 0, assumed=NOT_TOLD)
        return AttachedDeployment(at.shown, there, talk)


def base(url: str) -> Address:
    """The base of the interface at *url*: ``/v1`` where it names no path."""
    at = address(url)
    return at if at.path else at._replace(path="/v1")


def _spellings(at: Address) -> tuple[Spelling, ...]:
    """Of OpenAI itself the one that it documents; others have what their server is made of."""
    return (RESPONSES,) if at.host in NAMES_OF_OUTPUT else (TOKENIZE, INPUT_TOKENS, RESPONSES)


def _shape(at: Address) -> Any:  # noqa: ANN401 - a function
    name = NAMES_OF_OUTPUT.get(at.host, "max_tokens")

    def shape(request: dict[str, Any], kind: Kind) -> dict[str, Any]:
        if kind == "chat" and name != "max_tokens" and "max_tokens" in request:
            request[name] = request.pop("max_tokens")
        if at.host == ROUTER and "response_format" in request:
            request["provider"] = {"require_parameters": True}  # of those that have the model, one that holds it
        return request

    return shape


async def _check(at: Address, launch: Launch) -> Enforced:
    """What the service says that it holds answers to.

    Raises ``EngineError`` where it refuses the key or lists its models without this one.
    """
    connections = outside(at, bearer(launch.key))
    try:
        listed = await told(connections, "/models", who=at.host)
        models = {str(model["id"]).removeprefix("models/"): model for model in listed["data"]}
    except (KeyError, TypeError):
        models = {}
    except EngineError as error:
        if error.code != "model_not_there":  # a service without a list
            raise
        models = {}
    finally:
        connections.close()
    known = models.get(launch.name) or models.get(f"{launch.name}:latest")  # Ollama lists it with its tag
    if models and known is None:
        raise EngineError(
            f"{at.host} has no model {launch.name}; it has {_some(set(models))}",
            hint="Name one of its models in aidx.toml.",
            code="model_not_there",
        )
    says = (known or {}).get("supported_parameters") or ()  # OpenRouter's list has them
    return "documented" if at.host in HOLD or "structured_outputs" in says else "none"


def _some(names: set[str]) -> str:
    first = sorted(names)[:5]
    return ", ".join(json.dumps(name)[1:-1] for name in first) + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )


ENGINE = OpenAI()
