"""What the endpoint answers besides a model's own bytes: values with a status, headers and a body."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.admit import RefusedError
from aidx.gate.drive import LoadingError
from aidx.gate.grant import Booking

if TYPE_CHECKING:
    from aidx.patterns.vocabulary import Answer as Found

Headers = list[tuple[bytes, bytes]]
JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
LONGEST_HEADER = 1024

STATUS = {
    "context_length_exceeded": 400,
    "history_over_gate": 400,
    "schema_not_enforceable": 422,
    "schema_not_satisfied": 422,
    "not_verified": 422,
    "model_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "unsupported_encoding": 415,
    "invalid_api_key": 401,
    "host_not_allowed": 403,
    "origin_not_allowed": 403,
    "body_too_slow": 408,
    "head_too_slow": 408,
    "head_too_large": 431,
    "too_many_connections": 503,
    "kv_budget_exhausted": 429,
    "engine_failed": 502,
    "engine_silent": 502,
    "internal_error": 500,
    "engine_loading": 503,
    "rate_limited": 503,
    "not_counted": 501,
}
PARAM = {
    "model_not_found": "model",
    "wrong_kind_of_model": "model",
    "schema_not_enforceable": "response_format",
    "tools_not_supported": "tools",
    "history_over_gate": "messages",
}
DETAILS = ("keyword", "reasons", "trail")  # of errors that have them
DRAINING_S = 5  # Retry-After of a server that stops: another one may be here then


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


class MethodError(InputError):
    """A path that is there and does not take this method; *allow* are those that it takes."""

    code = "method_not_allowed"

    def __init__(self, path: str, method: str, allow: str) -> None:
        super().__init__(f"{path} does not take {method}", hint=f"It takes {allow}.")
        self.allow = allow


def whole(value: Mapping[str, Any], status: int = 200, headers: Headers | None = None) -> Answer:
    """*value* as JSON."""
    body = json.dumps(value).encode()
    return Answer(status, [JSON, (b"content-length", b"%d" % len(body)), *(headers or [])], body)


def error(wrong: AidxError, *, close: bool = False) -> Answer:
    """*wrong* in OpenAI's shape, with the numbers of a refusal and ``Retry-After`` where coming again helps.

    With *close* the connection ends: the rest of the request is not read.
    """
    status = STATUS.get(wrong.code, 502 if isinstance(wrong, EngineError) else 400)
    numbers = dict(wrong.numbers) if isinstance(wrong, RefusedError) else {}
    wait = numbers.pop("retry_after", DRAINING_S if status == 503 else None)
    if isinstance(wrong, LoadingError):
        wait = wrong.retry_after
    headers = [] if wait is None else [(b"retry-after", b"%d" % wait)]
    if isinstance(wrong, MethodError):
        headers.append((b"allow", wrong.allow.encode()))
    if close:
        headers.append((b"connection", b"close"))
    kind = "overloaded_error" if status == 429 else "invalid_request_error" if status < 500 else "server_error"
    body = {
        "message": str(wrong),
        "type": kind,
        "param": getattr(wrong, "param", PARAM.get(wrong.code)),
        "code": wrong.code,
        **({"hint": wrong.hint} if wrong.hint else {}),
        **numbers,
        **{name: value for name in DETAILS if (value := getattr(wrong, name, None))},
    }
    return whole({"error": body}, status, headers)


def granted(role: str, route: str, booking: Booking, ignored: tuple[str, ...]) -> Headers:
    """The ``x-aidx-…`` headers of an answer by a model; *route* says why this one."""
    fitted = booking.fitted
    headers = [
        (b"x-aidx-role", role.encode()),
        (b"x-aidx-route", route.encode()),
        (b"x-aidx-attempts", b"1"),
        (b"x-aidx-prompt-tokens", b"%d" % fitted.tokens),
        (b"x-aidx-kv-reserved", b"%d" % booking.admitted.cells),
        (b"x-aidx-max-tokens", b"%d" % fitted.output),
    ]
    if fitted.evicted_messages:
        headers.append((b"x-aidx-evicted-messages", b"%d" % fitted.evicted_messages))
        headers.append((b"x-aidx-evicted-tokens", b"%d" % fitted.evicted_tokens))
    if ignored:
        headers.append((b"x-aidx-ignored", _listed(ignored).encode()))
    return headers


def patterned(found: "Found", route: str, ignored: tuple[str, ...]) -> Headers:
    """The same headers of an answer that a pattern made, and its trail in short."""
    said = found.said
    trail = "; ".join(f"{step.purpose} {step.role} {step.outcome}" for step in found.trail)
    named: dict[str, str] = {
        "role": found.role,
        "route": route,
        "attempts": str(found.attempts),
        "prompt-tokens": str(said.prompt_tokens),
        "kv-reserved": str(said.cells),
        "max-tokens": str(max(0, said.cells - said.prompt_tokens)),
        "trail": trail,
        "weakened": ", ".join(found.weakened),
        "bounded": ", ".join(found.bounded),
        "ignored": _listed(ignored),
    }
    return [(b"x-aidx-%b" % name.encode(), _header(value)) for name, value in named.items() if value]


def _listed(names: tuple[str, ...]) -> str:
    """All of *names*, or as many as a header may have and how many more there are."""
    whole = ", ".join(names)
    if len(whole) <= LONGEST_HEADER:
        return whole
    kept = whole[: LONGEST_HEADER - 20].rpartition(", ")[0]
    return f"{kept}, and {len(names) - kept.count(', ') - 1} more"


def _header(value: str) -> bytes:
    """Text that may stand in a header, whatever a model or a schema named."""
    return "".join(char if " " <= char <= "~" else "?" for char in value[:LONGEST_HEADER]).encode()


def stopping() -> EngineError:
    """The server drains."""
    return EngineError("the server is stopping", code="engine_loading")
