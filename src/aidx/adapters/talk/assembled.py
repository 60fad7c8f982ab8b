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
LONG_S = 0.25  # an answer that takes no longer ends by itself, and soon enough where it takes four times as long
LONG_PROMPT = 1 << 11  # bytes; what is shorter is read before anybody is missed

PROGRESS = b'"prompt_progress":'  # as JSON writes it; inside a string the quotation marks are escaped
ERROR = (b'data: {"error"', b"error:")
STREAMS = re.compile(rb'"stream":\s?true')
READ = re.compile(rb'"logprobs":|"role":\s?"assistant"')  # what is not put together as it comes
LISTED = re.compile(rb'"logprobs":\s?true')
PROBABLE = 20  # what the engine takes "logprobs" for where nothing says how many
TOLD = b',"return_progress":true}'
IN_PIECES = b',"stream":true,"stream_options":{"include_usage":true}' + TOLD
ECHOED = b',"echo":true' + IN_PIECES  # what it goes on from stands before it, as in one piece
COUNTED = {"timings_per_token": True}
ORDER = ("created", "model", "system_fingerprint", "object", "usage", "id", "timings")
TEXTS = ("content", "reasoning_content")
KINDS = {"chat.completion.chunk": "chat.completion"}


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
        self._complete = False

    @property
    def again(self) -> bool:
        """The engine looks for what it stops at."""
        return False

    def feed(self, piece: bytes) -> bytes:
        """Keep the next bytes; raises what the engine says instead of an answer."""
        for name, data in self._events.feed(piece):
            if self.early:
                break
            if data == b"[DONE]":
                self._complete = True
            elif name == "error" or data.startswith(b'{"error"'):
                raise _failed(data, self._who)
            else:
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
        texts = {name: "".join(parts) for name, parts in self._texts.items()}
        if self._about["object"] == "text_completion":
            return {"text": texts["content"], "index": 0, "logprobs": None, "finish_reason": self._finish}
        message: dict[str, Any] = {"role": "assistant", **texts}
        if self._calls:
            message["tool_calls"] = self._calls
        return {"finish_reason": self._finish, "index": 0, "message": message}


class Listed(Assembled):
    """The same with the probability of each token; it stops at *stops* itself."""

    def __init__(self, who: str, stops: tuple[str, ...]) -> None:
        super().__init__(who)
        self._entries = Entries()
        self._stops = stops
        self._kept = max(map(len, stops), default=1) - 1
        self._tail = ""  # may be the beginning of a text that it stops at

    @property
    def again(self) -> bool:
        """Where not every token is told; a completion of text always tells them all, for nothing is read in it."""
        if not self._stops or self._about.get("object") == "text_completion":
            return False
        tokens = (self._about.get("usage") or {}).get("completion_tokens", 0)
        return not self._entries.whole(tokens, bounded=self._finish == "length")

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

    early = again = False

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
