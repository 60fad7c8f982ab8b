"""``POST /tokenize`` as vLLM has it: how many tokens a prompt is, before it is sent; nothing is reserved for it."""

from collections.abc import Mapping
from typing import Any

from aidx.errors import InputError
from aidx.serve import answer, wire
from aidx.serve.exchange import Offered
from aidx.serve.fields import ChatRequest, TextRequest
from aidx.serve.service import Service
from aidx.serve.strict import FieldError, shown

PATH = "/tokenize"
KNOWN = frozenset((*ChatRequest.__struct_fields__, *TextRequest.__struct_fields__))
AS_ANSWERED = ("add_generation_prompt", "add_special_tokens")  # of vLLM's fields; so it is counted for an answer


def _made(raw: Mapping[str, Any]) -> wire.Parsed:
    for name, value in raw.items():
        if name in AS_ANSWERED and value is not True and not (name == AS_ANSWERED[1] and "messages" in raw):
            raise FieldError(f"{name} is true: a prompt is counted as it is answered", param=name, hint="Leave it out.")
        if name not in KNOWN and name not in AS_ANSWERED and value:
            raise FieldError(
                f"{shown(name)} is not known here, and may change the count", param=shown(name), hint="Leave it out."
            )
    reader = wire.TEXT if "prompt" in raw and "messages" not in raw else wire.CHAT
    return reader.made(raw)


READER = wire.Reader("chat", _made)
"""Reads the ``messages`` of a chat completion, or the ``prompt`` of a text completion, and refuses what would be
counted otherwise than it is answered."""


async def count(parsed: wire.Parsed, offered: Offered) -> answer.Answer:
    """The tokens of *parsed*, as the role *offered* counts them to admit it; raises as ``Gate.count``."""
    if not isinstance(offered, Service):
        raise InputError(
            f"{offered.names[0]} is answered by several models, which count each for itself",
            hint="Name a role.",
            code="wrong_kind_of_model",
        )
    tokens = await offered.gate.count(parsed.prompt)
    return answer.whole({"count": tokens, "max_model_len": offered.bounds["context_length"]})
