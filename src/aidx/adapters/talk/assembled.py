"""How llama.cpp's server is asked so that it notices who has gone: it does while it says something.

It looks for a client that waits once a second, and not even that while it says anything to anybody else. So a long
answer is streamed to us and put together here, and the engine says how far it is while it reads a long prompt.
"""

import json
import re
from typing import Any, NamedTuple, Protocol

from aidx.adapters.talk.events import EventReader
from aidx.adapters.talk.listed import Entries, first_of
from aidx.adapters.talk.refusal import refused
from aidx.errors import AidxError, EngineError
from aidx.ports.chat import Patience

SOON_S = 0.02
NOTICED_S = 1.05  # our own looking is something that the engine says
LONG_S = 0.5  # an answer that takes no longer ends by itself
LONG_PROMPT = 1 << 11  # bytes; what is shorter is read before anybody is missed

PROGRESS = b'"prompt_progress":'  # as JSON writes it; inside a string the quotation marks are escaped
ERROR = (b'data: {"error"', b"error:")
STREAMS = re.compile(rb'"stream":\s?true')
READ = re.compile(rb'"logprobs":|"role":\s?"assistant"')  # what is not put together as it comes
NOTHING = 'root ::= ""'  # an answer that is at its end already
TOLD = b',"return_progress":true}'
IN_PIECES = b',"stream":true,"stream_options":{"include_usage":true}' + TOLD
COUNTED = {"timings_per_token": True}
ORDER = ("created", "model", "system_fingerprint", "object", "usage", "id", "timings")
TEXTS = ("content", "reasoning_content")
KINDS = {"chat.completion.chunk": "chat.completion"}


class Taken(Protocol):
    """What becomes of a stream on its way through; *early* once the rest of it is not wanted."""

    early: bool

    def feed(self, piece: bytes) -> bytes:
        """What is passed on for the next bytes; raises what the engine says instead of an answer."""
        ...

    def rest(self) -> bytes:
        """What is passed on when there are no more."""
        ...


class Asked(NamedTuple):
    """What is *sent* to the engine, how its answer is *taken*, and the *pause* between two looks at who has left.

    An answer that comes *whole* is one piece, and nothing is done to it. What *before* is answered with stands before
    an answer that goes on from it.
    """

    sent: bytes
    taken: Taken | None
    pause: float
    whole: bool = False
    before: bytes = b""


def asked(body: bytes, slot: int, patience: Patience, who: str, *, lists: bool = True) -> Asked:
    """The request *body* as it is sent to the engine of *who*, so that it notices in time who has gone.

    An answer in one piece is the same as if it had been asked for so, but where its bound cuts it: what the engine
    holds back then is not in a stream. That is half of a character, white space that its parser waits behind (before
    JSON the beginning of a code fence, too), what may become a text of ``stop``, and a call of a tool that has no name
    yet. Of a model that thinks an answer of nothing but white space is empty.

    ``logprobs`` has no entry for the end of an answer, as OpenAI's has none, but where the end is all that there is.
    With ``stop`` it is nearer to the text than in one piece: there the text of a token that was held back stands in the
    next entry, and of those at the end as many are left out as the text of ``stop`` has tokens by itself, however many
    it was written in. Here each entry has its own text, and they end where the answer does.

    Asked for in one piece are still ``logprobs`` beside tools, of which the engine refuses a stream, beside its own
    ``response_format``, and of an engine that *lists* not every token in a stream: what its parser of JSON or thoughts
    holds back is told without a probability. So is an answer beside these two that goes on from a message: they allow
    no empty answer, which is how the engine is asked for what stands before.
    """
    sent = b'{"id_slot":%d,' % slot + body[1:]
    if patience.lasts_s > LONG_S:
        return _in_pieces(sent, who, lists=lists)
    if patience.lasts_s:
        return Asked(sent, None, SOON_S, whole=True)
    if len(body) > LONG_PROMPT and STREAMS.search(body):
        return Asked(sent[:-1] + TOLD, Unread(who), SOON_S)
    return Asked(sent, None, SOON_S)


def _in_pieces(sent: bytes, who: str, *, lists: bool) -> Asked:
    fields = json.loads(sent) if READ.search(sent) else {}
    listed = bool(fields.get("logprobs"))
    goes_on = _goes_on(fields)
    if (listed or goes_on) and (fields.get("tools") or fields.get("response_format")):
        return Asked(sent, None, NOTICED_S)
    if listed and not lists and "messages" in fields:
        return Asked(sent, None, NOTICED_S)
    before = _written(_before(fields)) if goes_on else b""
    if not listed:
        return Asked(sent[:-1] + IN_PIECES, Assembled(who), SOON_S, before=before)
    stops = fields.pop("stop", None) or []
    taken = Listed(who, tuple(filter(None, [stops] if isinstance(stops, str) else stops)))
    return Asked(_written(fields | COUNTED)[:-1] + IN_PIECES, taken, SOON_S, before=before)


def _goes_on(fields: dict[str, Any]) -> bool:
    """Whether the answer goes on from a message of the assistant's: in one piece that stands before it."""
    messages = fields.get("messages") or [{}]
    return bool(messages[-1].get("role") == "assistant")


def _before(fields: dict[str, Any]) -> dict[str, Any]:
    """A request for nothing: its answer is what its template and parser make of the message that it goes on from."""
    return {"id_slot": fields["id_slot"], "messages": fields["messages"], "grammar": NOTHING, "max_tokens": 1}


def _written(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


class Assembled:
    """Takes a stream piece by piece; *who* is named where it fails."""

    early = False

    def __init__(self, who: str) -> None:
        self._who = who
        self._events = EventReader()
        self._about: dict[str, Any] = {}
        self._finish: str | None = None
        self._texts: dict[str, list[str]] = {"content": []}
        self._calls: list[dict[str, Any]] = []
        self._before: dict[str, str] = {}
        self._complete = False

    @property
    def lists(self) -> bool:
        """Whether all is there that is there in one piece; what is not was held back."""
        return True

    def goes_on(self, found: bytes) -> None:
        """Put the text of the answer *found* before this one's."""
        try:
            message = json.loads(found)["choices"][0]["message"]
            self._before = {name: str(message[name]) for name in TEXTS if message.get(name)}
        except (ValueError, LookupError, TypeError, AttributeError):
            raise EngineError(f"{self._who} does not answer as llama.cpp's server does") from None

    def feed(self, piece: bytes) -> bytes:
        """Keep the next bytes; raises what the engine says instead of an answer."""
        for name, data in self._events.feed(piece):
            if self.early:
                break
            if data == b"[DONE]":
                self._complete = True
            elif name == "error" or data.startswith(b'{"error"'):
                raise _failed(data, self._who)
            elif PROGRESS not in data:
                self._take(data)
        return b""

    def rest(self) -> bytes:
        """The answer; raises ``EngineError`` where the stream has no end."""
        if not self._complete or "object" not in self._about:
            raise EngineError(f"the answer of {self._who} broke off", code="engine_failed")
        about = self._about
        about["object"] = KINDS.get(about["object"], about["object"])
        found = {"choices": [self._choice()], **{name: about[name] for name in ORDER if name in about}}
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()

    def _take(self, data: bytes) -> None:
        try:
            event = json.loads(data)
            choices = event.pop("choices")
            self._about |= event
            for choice in choices:
                self._finish = choice["finish_reason"] or self._finish
                self._piece(choice)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise EngineError(f"{self._who} does not stream as llama.cpp's server does") from None

    def _piece(self, choice: dict[str, Any]) -> None:
        delta = choice["delta"] if "delta" in choice else {"content": choice["text"]}
        for name in TEXTS:
            if delta.get(name):
                self._texts.setdefault(name, []).append(delta[name])
        for call in delta.get("tool_calls", ()):
            if call["index"] == len(self._calls):
                self._calls.append({"type": call["type"], "function": {"name": "", "arguments": ""}, "id": call["id"]})
            function = self._calls[call["index"]]["function"]
            for name, text in call["function"].items():
                function[name] += text

    def _choice(self) -> dict[str, Any]:
        texts = self._before | {
            name: "".join((self._before.get(name, ""), *parts)) for name, parts in self._texts.items()
        }
        if self._about["object"] == "text_completion":
            return {"text": texts["content"], "index": 0, "logprobs": None, "finish_reason": self._finish}
        message: dict[str, Any] = {"role": "assistant", **texts}
        if self._calls:
            message["tool_calls"] = self._calls
        return {"finish_reason": self._finish, "index": 0, "message": message}


class Listed(Assembled):
    """The same with the probability of each token.

    It stops at *stops* itself: the engine holds back what may become one, and tells no probability of that.
    """

    def __init__(self, who: str, stops: tuple[str, ...]) -> None:
        super().__init__(who)
        self._entries = Entries()
        self._stops = stops
        self._kept = max(map(len, stops), default=1) - 1
        self._tail = ""  # may be the beginning of a text that it stops at

    @property
    def lists(self) -> bool:
        """A completion of text always has them all: nothing is read in it."""
        if self._about.get("object") == "text_completion":
            return True
        tokens = (self._about.get("usage") or {}).get("completion_tokens", 0)
        return self._entries.whole(tokens, bounded=self._finish == "length")

    def _piece(self, choice: dict[str, Any]) -> None:
        super()._piece(choice)
        told = (choice.get("logprobs") or {}).get("content", [])
        if "delta" in choice:
            self._entries.take(choice["delta"], told)
            self._look(choice["delta"].get("content") or "")
        else:
            self._entries.found += told
            self._look(choice["text"])

    def _look(self, text: str) -> None:
        """Stop where *text* completes one of those that it stops at."""
        near = self._tail + text
        if (at := first_of(self._stops, near)) is None:
            self._tail = near[max(0, len(near) - self._kept) :]
            return
        content = "".join(self._texts["content"])
        self._texts["content"] = [content[: len(content) - len(near) + at]]
        self._finish = "stop"
        self._about["usage"] = _used(self._about["timings"])
        self._complete = self.early = True

    def _choice(self) -> dict[str, Any]:
        entries = self._entries.of("".join(self._texts["content"])) if self.early else self._entries.found
        return super()._choice() | ({"logprobs": {"content": entries}} if entries else {})


def _used(timings: dict[str, Any]) -> dict[str, Any]:
    """The tokens of an answer that was not waited for to its end."""
    cached = timings.get("cache_n", 0)
    prompt, written = timings["prompt_n"] + cached, timings["predicted_n"]
    return {
        "completion_tokens": written,
        "prompt_tokens": prompt,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


class Unread:
    """Takes from the head of a stream what says how far the engine is; *who* is named where it fails."""

    early = False

    def __init__(self, who: str) -> None:
        self._who = who
        self._rest = b""
        self._reads = True

    def feed(self, piece: bytes) -> bytes:
        """What of the next bytes belongs to the answer; raises what the engine says instead of one."""
        if not self._reads:
            return piece
        self._rest += piece
        while (end := self._rest.find(b"\n\n") + 2) > 1:
            event = self._rest[:end]
            if event.startswith(ERROR):
                raise _failed(event.partition(b":")[2], self._who)
            if PROGRESS not in event:
                self._reads = False
                return self.rest()
            self._rest = self._rest[end:]
        return b""

    def rest(self) -> bytes:
        """What is kept."""
        found, self._rest = self._rest, b""
        return found


def _failed(data: bytes, who: str) -> AidxError:
    """What an event says that the engine of *who* sends instead of an answer, as if it had said so at once."""
    try:
        status = int(json.loads(data)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        status = 500
    return refused(status, data, who=who)
