"""How many tokens a request is, roughly: for services that tell nobody how they count.

Four bytes a token is OpenAI's rule of thumb for English; code and other languages take fewer bytes a token. The
estimate errs low, so that nothing is refused here that would fit there: what does not, the service itself refuses.
"""

import json

from aidx.errors import InputError
from aidx.patterns.prompt import Kind

BYTES = 4  # a token
OF_A_MESSAGE = 3  # OpenAI's cookbook, "Counting tokens for chat completions": three a message, three for the answer


def estimate(body: bytes, kind: Kind = "chat") -> int:
    """Tokens of the prompt in *body*; raises ``InputError`` for a body without one."""
    found = json.loads(body)
    try:
        if kind == "chat":
            texts = [message.get("content") or "" for message in found["messages"]]
            rest = json.dumps([message.get("tool_calls") for message in found["messages"] if message.get("tool_calls")])
            tools = json.dumps(found["tools"]) if found.get("tools") else ""
            about = sum(len(text.encode()) for text in (*texts, rest, tools) if text != "[]")
            return -(-about // BYTES) + OF_A_MESSAGE * (1 + len(texts))
        return sum(-(-len(text.encode()) // BYTES) for text in texts_of(found))
    except (KeyError, TypeError, AttributeError):
        raise InputError("the request has no text", code="invalid_request") from None


def texts_of(found: object) -> list[str]:
    """The texts of a completion request, or of one for embeddings."""
    given = (found.get("prompt", found.get("input")) if isinstance(found, dict) else None) or ""
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError("the engine refuses the request: no text", code="invalid_request")
    return texts
