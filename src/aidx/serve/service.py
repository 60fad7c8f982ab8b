"""What a request may name as its model: a role, or whatever answers by asking roles."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.drive import Gate
from aidx.gate.grant import Grant
from aidx.patterns import direct
from aidx.patterns.terms import Terms
from aidx.serve import answer, sse, wire
from aidx.serve.exchange import Exchange, Offered
from aidx.serve.memory import Memory
from aidx.serve.patterned import Patterned
from aidx.serve.strict import FieldError

EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
BROKEN_OFF = EngineError("the engine's answer broke off", code="engine_failed")


class Service(Struct, frozen=True):
    """A role that is served: its gate, the model in it, and the bytes of one KV cell for those who ask.

    With *embeds* it makes vectors, and answers nothing else. *owner* is the role under which the process stands in
    the ledger, where that is another one that shares it. What *leaves* goes to another machine and takes no cells.
    *memory* is its process's, where that is ours.
    """

    role: str
    model: str
    gate: Gate
    cell_bytes: int
    embeds: bool = False
    owner: str = ""
    leaves: bool = False
    memory: Memory | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What a request may call it: the role first, or the model."""
        return tuple(dict.fromkeys((self.role, self.model)))

    @property
    def shares(self) -> bool:
        """Whether its process is accounted for under another role."""
        return self.owner not in {"", self.role}

    @property
    def bounds(self) -> Mapping[str, int]:
        """What may be sent and asked for, in tokens."""
        limits = self.gate.limits
        return {
            "context_length": limits.n_ctx_seq,
            "max_prompt_tokens": limits.gate,
            "max_output_tokens": limits.max_tokens,
        }

    async def answer(self, parsed: wire.Parsed, exchange: Exchange, *, route: str = "") -> None:
        """Bring the request through the gate and the model's bytes back; *route* says who chose this role."""
        why = route or ("named by role" if parsed.model == self.role else "named by model")
        if parsed.shape is not None:
            one = Patterned(direct.PATTERN, Terms(self.role, frozenset({self.role})), {self.role: self.gate})
            await one.answer(parsed, exchange, route=why)
            return
        grant = exchange.grant = await self.gate.admit(parsed.prompt)
        try:
            headers = answer.granted(self.role, why, grant.booking, parsed.ignored)
            if parsed.stream:
                await _stream(grant, [*EVENTS, *headers], exchange, usage=parsed.usage)
            else:
                body = await grant.whole()
                if parsed.dimensions is not None:
                    _check_dimensions(body, parsed.dimensions)
                length = (b"content-length", b"%d" % len(body))
                exchange.reply.whole(answer.Answer(200, [answer.JSON, length, *headers], body))
        finally:
            grant.close()


def _check_dimensions(body: bytes, wanted: int) -> None:
    """Raise ``FieldError`` where the vectors of *body* have others: none is cut to a length."""
    vector = json.loads(body)["data"][0]["embedding"]
    found = len(vector) if isinstance(vector, list) else len(b64decode(vector)) // 4  # floats of 32 bits
    if found != wanted:
        raise FieldError(
            f"the vectors of this model have {found} dimensions, and {wanted} are asked for",
            param="dimensions",
            hint="Leave dimensions out.",
        )


async def _stream(grant: Grant, headers: answer.Headers, exchange: Exchange, *, usage: bool) -> None:
    """Pass whole events on; a stream that cannot be completed ends with one event that says so."""
    events = sse.Events(usage=usage)
    reply = exchange.reply
    piece = events.feed(await anext(grant, b""))  # whatever fails before has a status of its own
    if events.failed is not None and not piece:
        raise events.failed
    reply.begin(200, headers)
    wrong: AidxError | None = None
    try:
        while not events.complete and events.failed is None:
            if piece:
                await reply.write(piece)
                piece = b""
            if not (chunk := await anext(grant, b"")):
                break
            piece = events.feed(chunk)
        wrong = events.failed or (None if events.complete else BROKEN_OFF)
    except (EngineError, InputError) as error:
        wrong = error
    except asyncio.CancelledError:  # the server stops, or nobody is there to read this
        await reply.write(sse.failure("the server is stopping", "engine_loading"), more=False)
        raise
    exchange.code = "" if wrong is None else wrong.code
    await reply.write(piece if wrong is None else piece + sse.failure(str(wrong), wrong.code), more=False)
    await grant.finish()


class Catalogue:
    """Everything that is offered, by the names that requests use; the first that bears a name has it.

    A model that fills two roles, one of which makes vectors, is found by what is asked of it.
    """

    def __init__(self, offered: tuple[Offered, ...]) -> None:
        self._chats = {name: one for one in reversed(offered) if not one.embeds for name in one.names}
        self._vectors = {name: one for one in reversed(offered) if one.embeds for name in one.names}
        self.by_name = {name: one for one in offered for name in one.names}
        self.by_name |= self._vectors | self._chats

    def find(self, model: str, *, embeds: bool) -> Offered:
        """What *model* names; raises ``InputError`` for an unknown name, and for one that does something else."""
        found = (self._vectors if embeds else self._chats).get(model)
        if found is not None:
            return found
        self.entry(model)
        does = "makes no embeddings" if embeds else "makes embeddings only"
        raise InputError(
            f"{model} {does}", hint="Name another model: GET /v1/models lists them.", code="wrong_kind_of_model"
        )

    def entry(self, model: str) -> Mapping[str, Any]:
        """What ``/v1/models`` says of *model*; raises ``InputError`` for an unknown name."""
        if model not in self.by_name:
            raise InputError(f"there is no such model; there is: {', '.join(self.by_name)}", code="model_not_found")
        return {"id": model, "object": "model", "created": 0, "owned_by": "aidx", **self.by_name[model].bounds}

    def listed(self) -> list[Mapping[str, Any]]:
        """The entries of ``/v1/models``, one a name."""
        return [self.entry(name) for name in self.by_name]
