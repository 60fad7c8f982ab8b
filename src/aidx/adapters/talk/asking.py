"""How llama.cpp's server is asked so that it notices who has gone: it does while it says something.

It looks for a client that waits once a second, and not even that while it says anything to anybody else. So a long
answer is streamed to us and put together here, and the engine says how far it is while it reads a long prompt.
"""

import json
import re
from typing import Any, NamedTuple, Protocol

from aidx.adapters.talk.assembled import Assembled
from aidx.adapters.talk.listed import Listed
from aidx.adapters.talk.progress import Unread
from aidx.ports.chat import Patience

SOON_S = 0.02
LONG_S = 0.25  # an answer that takes no longer ends by itself, and soon enough where it takes four times as long
LONG_PROMPT = 1 << 11  # bytes; what is shorter is read before anybody is missed

STREAMS = re.compile(rb'"stream":\s?true')
READ = re.compile(rb'"logprobs":|"role":\s?"assistant"')  # what is not put together as it comes
LISTED = re.compile(rb'"logprobs":\s?(?:true|[1-9])')
PROBABLE = 20  # what the engine takes "logprobs" for where nothing says how many
TOLD = b',"return_progress":true}'
IN_PIECES = b',"stream":true,"stream_options":{"include_usage":true}' + TOLD
ECHOED = b',"echo":true' + IN_PIECES  # what it goes on from stands before it, as in one piece
COUNTED = {"timings_per_token": True}


class Taken(Protocol):
    """What becomes of a stream on its way through.

    *early* once the rest of it is not wanted; *again* where it has to be asked for in the other way.
    """

    early: bool

    @property
    def again(self) -> bool:
        """Whether a text that it stops at may have been in what was not told."""
        ...

    def feed(self, piece: bytes) -> bytes:
        """What is passed on for the next bytes; raises what the engine says instead of an answer."""
        ...

    def rest(self) -> bytes:
        """What is passed on when there are no more."""
        ...


class Asked(NamedTuple):
    """What is *sent* to the engine, and how its answer is *taken*; one that comes *whole* is passed on as one piece."""

    sent: bytes
    taken: Taken | None
    whole: bool = False


def asked(body: bytes, slot: int, patience: Patience, who: str, *, reads: bool = False) -> Asked:
    """The request *body* as it is sent to the engine of *who*, so that it notices in time who has gone.

    An answer in one piece is the same as if it had been asked for so, but where its bound cuts it: what the engine
    holds back then is not in a stream. That is half of a character, white space that its parser waits behind (before
    JSON the beginning of a code fence, too), what may become a text of ``stop``, and a call of a tool that has no name
    yet. Of a model that thinks an answer of nothing but white space is empty.

    ``logprobs`` are those of a stream, however short the answer is: one for each token that adds a text. What the
    engine takes out of an answer (the tags around thoughts and calls, white space beside them) or holds back for a
    moment has none, and neither has the end. ``stop`` is looked for here, since the engine would hold back what may
    become one; where the engine *reads* more out of an answer than its text, that can be in what is not told, and it
    has to look itself.
    """
    sent = b'{"id_slot":%d,' % slot + body[1:]
    if patience.lasts_s > LONG_S or (patience.lasts_s and LISTED.search(body)):
        return _in_pieces(sent, who, reads=reads)
    if patience.lasts_s:
        return Asked(sent, None, whole=True)
    if len(body) > LONG_PROMPT and STREAMS.search(body):
        return Asked(sent[:-1] + TOLD, Unread(who))
    return Asked(sent, None)


def _in_pieces(sent: bytes, who: str, *, reads: bool) -> Asked:
    fields = json.loads(sent) if READ.search(sent) else {}
    goes_on = _goes_on(fields)
    end = ECHOED if goes_on else IN_PIECES
    if not fields.get("logprobs"):
        return Asked(sent[:-1] + end, Assembled(who))
    if fields.get("tools"):  # a stream of both is refused by this name, and by the engine's own it is not
        del fields["logprobs"]
        top = fields.pop("top_logprobs", None)
        fields["n_probs"] = PROBABLE if top is None else top
    stops: Any = ()
    if not (reads or goes_on or fields.get("tools") or fields.get("response_format")):
        stops = fields.pop("stop", None) or ()
    taken = Listed(who, tuple(filter(None, [stops] if isinstance(stops, str) else stops)))
    return Asked(_written(fields | COUNTED)[:-1] + end, taken)


def _goes_on(fields: dict[str, Any]) -> bool:
    """Whether the answer goes on from a message of the assistant's: in one piece that stands before it."""
    messages = fields.get("messages") or [{}]
    return bool(messages[-1].get("role") == "assistant")


def _written(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
