"""A request that was read: what becomes of it, whoever read it."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from aidx.gate.prompt import Prompt
from aidx.patterns.schema.shape import Shape
from aidx.serve.fields import StreamOptions

NOT_SENT = frozenset(
    ("messages", "prompt", "model", "n", "max_tokens", "max_completion_tokens", "response_format", "stream_options")
)
encoded: Callable[[object], bytes] = msgspec.json.Encoder().encode


class Parsed(Struct, frozen=True):
    """A request that may be admitted: for which model, how its stream ends, and what was left out of it.

    *shape* is what its answer is held to, *dimensions* what its vectors must have.
    """

    model: str
    prompt: Prompt
    ignored: tuple[str, ...]
    usage: bool = False
    shape: Shape | None = None
    dimensions: int | None = None

    @property
    def stream(self) -> bool:
        """Whether the answer is to come in pieces."""
        return self.prompt.stream


def sent(fields: dict[str, Any], *, seed: int | None, stream: bool | None) -> dict[str, Any]:
    """*fields* as they are sent to an engine: the bounds are the gate's to say, and usage it always wants to hear."""
    if seed is not None:
        fields["seed"] = seed % 0xFFFFFFFF  # the engine's are of 32 bits, and the last one means random
    if not stream:
        fields.pop("stream", None)  # who asks the engine may want one where the client does not
    else:
        fields["stream_options"] = StreamOptions(include_usage=True)
    return fields
