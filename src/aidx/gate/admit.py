"""Who may use the model now: a ledger of KV cells and slots, decided without touching anything.

A request reserves the cells of its prompt and of the output it may produce, for as long as it lives. Nobody
overtakes: a request waits behind those that came before, so that a large one is served in the end.
"""

from collections.abc import Hashable
from itertools import islice
from typing import Literal

from msgspec import Struct, field

from aidx.budget.settings import Settings, room
from aidx.errors import BudgetError, InputError

MAX_TOKENS = 1024  # of output, where neither the request nor the role says; a quarter of a small context
QUEUE_PER_SLOT = 4  # a queue longer than that is an answer too late to be of use
COMPARED = 1 << 16  # bytes of a prompt by which a slot that knows its beginning is found
BEGINNING = 64  # bytes in which most slots differ already
LOOKED_AT = 4  # slots of those that do not
MOST = 8  # a slot that knows all but an eighth of a prompt is as good as any
Overflow = Literal["refuse", "compact"]


class RefusedError(BudgetError):
    """A request that the budget does not hold; *numbers* say by how much."""

    def __init__(self, message: str, *, code: str, hint: str = "", **numbers: int) -> None:
        super().__init__(message, code=code, hint=hint)
        self.numbers = numbers


class Limits(Struct, frozen=True):
    """What one model may use: cells of the pool, cells of one sequence, slots, and the role's own bounds.

    Cells of a sequence are prompt and output together. *gate* is the most prompt tokens, *max_tokens* the output
    of a request that asks for none in particular. *history* is the most prompt tokens between the system text and
    what the user said last (``None``: as many as fit). What is too long is refused, or, where *overflow* says so,
    loses its oldest exchanges. *trained* is where the model's own training ends a sequence (0: not known).
    """

    n_ctx: int
    n_ctx_seq: int
    slots: int
    gate: int
    max_tokens: int
    history: int | None = None
    overflow: Overflow = "refuse"
    trained: int = 0

    @property
    def queue(self) -> int:
        """Requests that may wait."""
        return QUEUE_PER_SLOT * self.slots

    def check(self, prompt: int, asked: int | None) -> int:
        """The output that *prompt* tokens leave room for, at most what was *asked* for.

        Raises ``RefusedError`` where the prompt is over the gate or the two together are over the context.
        """
        output = self.output(prompt) if asked is None else asked
        if (over := self.over(prompt, output)) > 0:
            raise self.too_long(prompt, output, over)
        return output

    def over(self, prompt: int, output: int) -> int:
        """By how many tokens the two are too many; 0 or less where they fit."""
        return max(prompt - self.gate, prompt + output - self.n_ctx_seq)

    def output(self, prompt: int) -> int:
        """The output granted when none was asked for: the role's, but no more than the slot's share.

        A prompt beyond the share of a slot borrows from the pool; the gate has left room for that.
        """
        share = self.n_ctx // self.slots - prompt
        return min(self.max_tokens, share if share > 0 else max(self.n_ctx_seq - prompt, 1))

    def _way_out(self, output: int) -> str:
        if not output:
            return "Send fewer texts at a time, or shorter ones."
        if not 0 < self.trained <= self.n_ctx_seq:
            return "Send a shorter prompt, ask for fewer max_tokens, or serve a larger context."
        longest = f"the model was trained for {self.trained:,} tokens, and no context is longer"
        return f"Send a shorter prompt, or ask for fewer max_tokens; {longest}."

    def too_long(self, prompt: int, output: int, over: int, *, at_least: bool = False) -> RefusedError:
        """The refusal of a prompt that is *over* the gate or the context; *at_least*: it was not tokenized."""
        about = "at least " if at_least else ""
        return RefusedError(
            f"the maximum context length is {self.n_ctx_seq} tokens, {self.gate} of them for the prompt; the prompt "
            f"has {about}{prompt}, and {output} are wanted for the answer: {about}{over} too many",
            code="context_length_exceeded",
            hint=self._way_out(output),
            n_prompt_tokens=prompt,
            n_ctx=self.n_ctx_seq,
            gate=self.gate,
            over_by=over,
        )


def limits(
    settings: Settings,
    context_length: int,
    *,
    max_tokens: int | None = None,
    gate: int | None = None,
    history: int | None = None,
    overflow: Overflow = "refuse",
) -> Limits:
    """The limits of a model that runs with *settings*, and the role's own where they are given.

    *context_length* is what the model was trained for: llama.cpp's server lets no sequence grow beyond it,
    whatever the pool holds. Raises ``InputError`` for a gate or an output that the context does not hold.
    """
    context = min(settings.n_ctx_seq, context_length)
    output = min(MAX_TOKENS, max(context // 4, 1)) if max_tokens is None else max_tokens
    prompt = context - output if gate is None else gate
    bounds = {"--max-tokens": output, "--gate": prompt, "--max-chat-history-tokens": history}
    for flag, value in bounds.items():
        least = 0 if flag == "--max-chat-history-tokens" else 1
        if value is not None and not least <= value < context:
            raise InputError(
                f"{flag} {value} does not fit into a context of {context}",
                hint=f"Give {least} to {context - 1}{room(context, context_length)}.",
            )
    return Limits(settings.n_ctx, context, settings.parallel, prompt, output, history, overflow, context_length)


class Admitted(Struct, frozen=True):
    """A reservation of *cells*; *slot* is the request's own until it is released."""

    cells: int
    slot: int


class Queued(Struct, frozen=True):
    """The request waits behind *ahead* others."""

    ahead: int


class Reserved(Struct, frozen=True):
    """What is taken at the moment."""

    cells: int
    requests: int
    queued: int


class Admission(Struct, eq=False):
    """The state: reservations by ticket, the queue in order of arrival, and what each slot last held."""

    limits: Limits
    running: dict[Hashable, Admitted] = field(default_factory=dict)
    waiting: dict[Hashable, tuple[int, bytes]] = field(default_factory=dict)
    held: dict[int, bytes] = field(default_factory=dict)
    cells: int = 0
    """The sum over those that run."""
    _free: dict[int, None] = field(default_factory=dict)  # slots, the longest unused first
    _knowing: dict[bytes, dict[int, None]] = field(default_factory=dict)  # free slots by how what they hold begins

    def __post_init__(self) -> None:
        self._free = dict.fromkeys(range(self.limits.slots))

    @property
    def reserved(self) -> Reserved:
        """The sums."""
        return Reserved(self.cells, len(self.running), len(self.waiting))

    @property
    def full(self) -> bool:
        """Whether a request that has to wait would find no place."""
        return len(self.waiting) >= self.limits.queue

    def ask(self, ticket: Hashable, cells: int, prompt: bytes = b"") -> Admitted | Queued | None:
        """Admit the request, let it wait, or (``None``) turn it away because the queue is full.

        *cells* must have passed ``Limits.check``; *prompt* is compared with what the slots hold.
        """
        prompt = prompt[:COMPARED]
        if not self.waiting and self._fits(cells):
            return self._admit(ticket, cells, prompt)
        if self.full:
            return None
        self.waiting[ticket] = (cells, prompt)
        return Queued(len(self.waiting) - 1)

    def leave(self, ticket: Hashable) -> dict[Hashable, Admitted]:
        """Release what *ticket* has reserved, or take it out of the queue; those admitted in its place.

        A ticket that has neither (released before) changes nothing.
        """
        released = self.running.pop(ticket, None)
        if released is None:
            self.waiting.pop(ticket, None)
        else:
            self.cells -= released.cells
            self._free[released.slot] = None
            self._knowing.setdefault(self.held[released.slot][:BEGINNING], {})[released.slot] = None
        admitted: dict[Hashable, Admitted] = {}
        while self.waiting:
            following, (cells, prompt) = next(iter(self.waiting.items()))
            if not self._fits(cells):
                break
            del self.waiting[following]
            admitted[following] = self._admit(following, cells, prompt)
        return admitted

    def _fits(self, cells: int) -> bool:
        return bool(self._free) and self.cells + cells <= self.limits.n_ctx

    def _admit(self, ticket: Hashable, cells: int, prompt: bytes) -> Admitted:
        slot = self._slot(prompt)
        del self._free[slot]
        before = self.held.get(slot, b"")[:BEGINNING]
        knowing = self._knowing.get(before, {})
        knowing.pop(slot, None)
        if not knowing:
            self._knowing.pop(before, None)
        self.held[slot] = prompt
        self.cells += cells
        self.running[ticket] = Admitted(cells, slot)
        return self.running[ticket]

    def _slot(self, prompt: bytes) -> int:
        """The free slot that knows most of *prompt*; of those that know nothing, the one unused for longest."""
        near = self._knowing.get(prompt[:BEGINNING]) if prompt else None
        if not near:
            return next(iter(self._free))
        best, known = -1, -1
        most = prompt[: -(-len(prompt) * (MOST - 1) // MOST)]
        for slot in islice(reversed(near), LOOKED_AT):
            held = self.held[slot]
            if held.startswith(most):  # the others could hardly know more
                return slot
            same = common_prefix(held, prompt)
            if same > known:
                best, known = slot, same
        return best


def common_prefix(first: bytes, second: bytes) -> int:
    """Length of what both begin with: a slot that holds it need not read it again."""
    same, most = 0, min(len(first), len(second))
    if second.startswith(first[:most]):
        return most
    while same < most:  # what is equal is compared once, and in one piece
        middle = (same + most + 1) // 2
        if second.startswith(first[same:middle], same):
            same = middle
        else:
            most = middle - 1
    return same
