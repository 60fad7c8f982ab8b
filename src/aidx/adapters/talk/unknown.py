"""A llama.cpp's server of whatever build: whether it answers, and what holds its answers to a schema.

A grammar of llguidance's is only sent to a build that has shown that it knows them. Most builds do not: newer ones
refuse it, and earlier ones end at it (``GGML_ABORT`` in ``common/sampling.cpp``): that is no way to ask a server.
"""

import json
from contextlib import suppress
from typing import Any

from aidx.adapters.talk.served import ServedChat, probe
from aidx.errors import EngineError, InputError
from aidx.patterns.prompt import Kind
from aidx.ports.chat import Enforced

NUMBER = 123457
ONE_NUMBER = {"type": "integer", "minimum": 100_000, "maximum": 199_999, "multipleOf": NUMBER}
"""Only llguidance reads ``multipleOf``; what turns schemas into GBNF drops it, and hits the number once in 100,000."""
WORD = "zyxwv"
SAID: list[dict[str, str]] = [{"role": "user", "content": "."}]
SHAPED = {"type": "json_schema", "json_schema": {"name": "word", "schema": {"type": "string", "enum": [WORD]}}}


async def probe_unknown(chat: ServedChat, *, embedding: bool) -> Enforced:
    """One answer, end to end, and what it was held by; the connections are closed afterwards."""
    if embedding:
        return await probe(chat, embedding=True)
    try:
        numbered = {"prompt": ".", "json_schema": ONE_NUMBER, "max_tokens": 12, "temperature": 0}
        if (await _said(chat, numbered, "text")).strip() == str(NUMBER):
            return await probe(chat, embedding=False)
        shaped = {"messages": SAID, "response_format": SHAPED, "max_tokens": 24, "temperature": 0}
        if (await _said(chat, shaped, "chat")).strip() == f'"{WORD}"':
            return "json_schema"
        await _whole(chat, {"messages": SAID, "max_tokens": 1}, "chat")
    except InputError as error:
        raise EngineError(f"the engine does not answer: {error}") from None
    finally:
        chat.close()
    return "none"


async def _said(chat: ServedChat, order: dict[str, Any], kind: Kind) -> str:
    """The text of its answer; empty where it does not take what was asked."""
    with suppress(InputError, ValueError, LookupError, TypeError, AttributeError):
        choice = json.loads(await _whole(chat, order, kind))["choices"][0]
        return str(choice["text"] if kind == "text" else choice["message"]["content"])
    return ""


async def _whole(chat: ServedChat, order: dict[str, Any], kind: Kind) -> bytes:
    return b"".join([piece async for piece in chat.answer(json.dumps(order).encode(), slot=0, kind=kind)])
