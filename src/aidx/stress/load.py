"""The load of a proof as values: how long each prompt is, and what is sent when."""

import json
from collections.abc import Sequence

from msgspec import Struct

from aidx.gate.admit import QUEUE_PER_SLOT, Limits
from aidx.gate.prompt import Prompt, Turn

OUTPUT = 4  # tokens of each answer: the peak is made by prompts, which are read much faster than answers are written
LEAST_SHARE = 64  # tokens of a slot below which nothing can be said about a conversation
TURNS_EACH = 8  # turns that fill a slot; the next one begins another conversation
_FIELDS = json.dumps(
    {"temperature": 0, "ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
).encode()[1:-1]
# llama-server takes the last of two equal keys: so a request gives up the slot that our gate has chosen for it, and
# the server chooses, as it does for clients that know nothing of slots. Only then it keeps old prompts in RAM.
ANY_SLOT = b',"id_slot":-1'


class Load(Struct, frozen=True):
    """What is sent: *turns* of conversation, and *text*, the longest input that is expected (``""``: code)."""

    turns: int = 48
    text: str = ""


class Shape(Struct, frozen=True):
    """The load in tokens: each slot's *share* of the pool, and how many clients come at once.

    *gate* is the longest prompt that is let in, where somebody else's gate stands before the engine.
    """

    share: int
    context: int
    slots: int
    cells: int
    gate: int | None = None

    @property
    def reach(self) -> int:
        """Cells that all slots together can take; fewer than there are where sequences end before."""
        return min(self.cells, self.slots * self.context)

    @property
    def fill(self) -> int:
        """Of a prompt that, with its answer, takes the whole share."""
        most = self.share - OUTPUT
        return most if self.gate is None else min(most, self.gate)

    @property
    def answer(self) -> int:
        """Of that answer: what the gate keeps for answers has to be filled by one."""
        return self.share - self.fill

    @property
    def over(self) -> int:
        """Of a prompt that is one too long for the context, however short its answer."""
        return self.context - OUTPUT + 1 if self.gate is None else self.gate + 1

    @property
    def turn(self) -> int:
        """That one turn adds."""
        return self.fill // TURNS_EACH

    @property
    def crowd(self) -> int:
        """Of each prompt when more clients come than there are slots."""
        return max(self.share // 8, LEAST_SHARE // 2)

    @property
    def clients(self) -> int:
        """As many as run, as may wait, and as many again as there are slots: these must be refused."""
        return (1 + QUEUE_PER_SLOT + 1) * self.slots


def shape(limits: Limits, gate: int | None = None) -> Shape:
    """The load for a model behind these *limits*, and behind another's *gate*."""
    share = min(limits.n_ctx // limits.slots, limits.n_ctx_seq)
    return Shape(share, limits.n_ctx_seq, limits.slots, limits.n_ctx, gate)


def prompt(messages: Sequence[tuple[str, str]], output: int = OUTPUT, *, anywhere: bool = False) -> Prompt:
    """A request of *messages* (who, text) for just *output* tokens, whatever the model would rather say.

    With *anywhere* the engine chooses the slot.
    """
    turns = tuple(Turn.of(who, text) for who, text in messages)
    return Prompt(turns, fields=_FIELDS + (ANY_SLOT if anywhere else b""), max_tokens=output, stream=True)
