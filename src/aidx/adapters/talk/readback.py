"""What an engine that runs already says of itself, held against the plan."""

import json
from typing import Any

from aidx.adapters.http import Pool
from aidx.adapters.talk.refusal import refused
from aidx.errors import AidxError, BudgetError, EngineError
from aidx.ports.chat import Patience

SOON = Patience(10.0, 10.0)  # a few lines about itself, however busy it is


async def told(pool: Pool, path: str, *, who: str, body: bytes | None = None) -> Any:  # noqa: ANN401 - JSON
    """The object at *path*; raises ``EngineError`` where there is none, and for one that is not JSON."""
    method = "GET" if body is None else "POST"
    status, found = await pool.request(method, path, body or b"", patience=SOON)
    if status != 200:
        raise _of_the_engine(refused(status, found, who=who))
    try:
        return json.loads(found)
    except (ValueError, RecursionError):
        raise EngineError(f"{who} does not answer {path} with JSON", hint="Check the url.") from None


def enough(planned: int, told_of: int, *, who: str, what: str = "a context") -> None:
    """Raise ``BudgetError`` where *who* has fewer tokens than planned."""
    if told_of < planned:
        raise BudgetError(
            f"{who} has {what} of {told_of:,} tokens, and {planned:,} are planned",
            hint=f"Start it with that much, or plan with -c {told_of}.",
            code="context_too_small",
        )


def _of_the_engine(error: AidxError) -> EngineError:
    """At a start nothing was asked that could be refused: what is refused is the engine's doing."""
    return error if isinstance(error, EngineError) else EngineError(str(error), hint=error.hint)
