"""How a conversation that keeps its history fills what was planned."""

from msgspec import Struct

from aidx.budget.kv import token_bytes
from aidx.budget.placement import Placement
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import Layer


class Growth(Struct, frozen=True):
    """The turns, counted from 1, at which context and memory are full; ``None`` where that never happens."""

    bytes_per_token: int
    start_tokens: int
    tokens_per_turn: int
    context_full_at_turn: int | None
    memory_full_at_turn: int | None


def bytes_per_token(
    layers: tuple[Layer, ...], settings: Settings, placement: Placement, device: str | None = None
) -> int:
    """Bytes that one more token of context costs on *device* (``None``: on all of them together).

    Layers with a sliding window, and recurrent ones, cost nothing more once they are full.
    """
    return sum(
        token_bytes(layer, settings)
        for layer, where in zip(layers, placement.blocks, strict=True)
        if device in {None, where} and (layer.window is None or settings.swa_full)
    )


def full_at_turn(capacity: int, *, start_tokens: int, tokens_per_turn: int) -> int | None:
    """The first turn after which more than *capacity* tokens would have to be kept; 1 when the start is too long.

    ``None`` when turns add nothing.

    Raises:
        InputError: For a negative number of tokens.
    """
    if start_tokens < 0 or tokens_per_turn < 0:
        raise InputError(
            f"a conversation cannot start with {start_tokens} tokens and grow by {tokens_per_turn} a turn",
            hint="Give --start-tokens and --turn-tokens as numbers of at least 0.",
        )
    if start_tokens > capacity:
        return 1
    return (capacity - start_tokens) // tokens_per_turn + 1 if tokens_per_turn else None


def growth(
    *, bytes_a_token: int, start_tokens: int, tokens_per_turn: int, context_tokens: int, memory_tokens: int | None
) -> Growth:
    """The growth of a conversation in *context_tokens* of context.

    *memory_tokens* is the longest context that the binding device has memory for; ``None`` when no context is
    too long for it.
    """

    def turn(capacity: int) -> int | None:
        return full_at_turn(capacity, start_tokens=start_tokens, tokens_per_turn=tokens_per_turn)

    return Growth(
        bytes_per_token=bytes_a_token,
        start_tokens=start_tokens,
        tokens_per_turn=tokens_per_turn,
        context_full_at_turn=turn(context_tokens),
        memory_full_at_turn=None if memory_tokens is None else turn(memory_tokens),
    )
