"""What an engine or a service says when it does not answer, as an error of our own tree."""

import json
from typing import Any

from aidx.errors import AidxError, EngineError, InputError

BROKEN = frozenset({500, 502, 504})
BUSY = frozenset({408, 409, 425, 429, 503, 529})
TOO_LONG = ("context_length_exceeded", "exceed_context_size_error")
BATCH_WORDS = "too large to process"  # llama.cpp of a text for a vector over its physical batch, with status 500
TOO_LONG_WORDS = ("context length", "context size", "context window", "prompt is too long", "maximum context")
LOADING = "engine_loading"  # in the words of our own endpoint: there is no model now
LONGEST = 300  # characters of another program's message that are passed on


class BusyError(EngineError):
    """A refusal that may not stand: worth another try, after *retry_after* seconds where those were named."""

    code = "engine_failed"

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint, code=code or None)
        self.retry_after = retry_after


def refused(status: int, body: bytes, *, who: str, retry_after: str = "") -> AidxError:
    """The refusal of *who* in one line; *retry_after* is its header.

    4xx is the request's fault, except for keys, models and limits, which are the configuration's; anything else is
    the engine's.
    """
    message, code = _said(status, body)
    if status in {401, 403}:
        return EngineError(
            f"{who} refuses the key: {message}",
            hint="Check the variable that api_key_env names, and what its key may do.",
            code="key_refused",
        )
    if status == 404:
        return EngineError(f"{who} does not have that: {message}", hint="Check url and model.", code="model_not_there")
    if status == 500 and BATCH_WORDS in message:
        return InputError(
            f"{who} refuses a text of the request: {message}",
            hint="Send shorter texts, or give the role a larger ubatch_size.",
            code="context_length_exceeded",
        )
    if status in BUSY | BROKEN:  # another try may find it better
        kept = "rate_limited" if status == 429 else LOADING if code == LOADING else ""
        does = "failed" if status in BROKEN else "is busy"
        return BusyError(f"{who} {does}: {message}", retry_after=_seconds(retry_after), code=kept)
    if 400 <= status < 500:
        too_long = code in TOO_LONG or any(words in message.lower() for words in TOO_LONG_WORDS)
        known = "context_length_exceeded" if too_long else "invalid_request"
        return InputError(f"{who} refuses the request: {message}", code=known)
    return EngineError(f"{who} failed: {message}", code="engine_failed")


def refused_in(data: bytes, who: str) -> AidxError:
    """What an event says that the engine of *who* sends instead of an answer, as if it had said so at once."""
    try:
        status = int(json.loads(data)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        status = 500
    return refused(status, data, who=who)


def _said(status: int, body: bytes) -> tuple[str, str]:
    """The message and the code in the shapes that are in use: OpenAI's, Anthropic's, Ollama's, vLLM's old one."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return f"status {status}", ""
    if isinstance(found, list) and found:  # Gemini wraps it
        found = found[0]
    error = found.get("error", found) if isinstance(found, dict) else {}
    if isinstance(error, str):
        return _passed_on(error) or (_line(error), "")
    if not isinstance(error, dict):
        return f"status {status}", ""
    return _line(str(error.get("message") or f"status {status}")), str(error.get("code") or error.get("type") or "")


def _passed_on(text: str) -> tuple[str, str] | None:
    """What the engine behind another one said, where that hands it on as it came (Ollama does)."""
    try:
        inner = json.loads(text)["error"]
        return _line(str(inner["message"])), str(inner.get("type") or inner.get("code") or "")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST]


def _seconds(text: str) -> float | None:
    """Seconds of a ``Retry-After`` header; a date is not taken for one."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found < 86_400 else None
