"""How llama.cpp's server is asked so that it notices who has gone: it does while it says something.

It looks for a client that waits once a second, and not even that while it says anything to anybody else. So a long
answer is streamed to us and put together here, and the engine says how far it is while it reads a long prompt.
"""

import json
import re
from typing import Any, NamedTuple, Protocol

from aidx.adapters.talk.events import EventReader
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
# In one piece these are more: the probability of the end, and what a reader of the answer waits behind.
APART = re.compile(rb'"(?:logprobs|response_format)":')
GOES_ON = re.compile(rb'"role":\s?"assistant"')
TOLD = b',"return_progress":true}'
IN_PIECES = b',"stream":true,"stream_options":{"include_usage":true}' + TOLD
ORDER = ("created", "model", "system_fingerprint", "object", "usage", "id", "timings")
KINDS = {"chat.completion.chunk": "chat.completion"}


class Taken(Protocol):
    """What becomes of a stream on its way through."""

    def feed(self, piece: bytes) -> bytes:
        """What is passed on for the next bytes; raises what the engine says instead of an answer."""
        ...

    def rest(self) -> bytes:
        """What is passed on when there are no more."""
        ...


class Asked(NamedTuple):
    """What is *sent* to the engine, how its answer is *taken*, and the *pause* between two looks at who has left.

    An answer that comes *whole* is one piece, and nothing is done to it.
    """

    sent: bytes
    taken: Taken | None
    pause: float
    whole: bool = False


def asked(body: bytes, slot: int, patience: Patience, who: str) -> Asked:
    """The request *body* as it is sent to the engine of *who*, so that it notices in time who has gone.

    An answer in one piece is the same as if it had been asked for so, but where its bound cuts it: what the engine
    holds back then is not in a stream. That is half of a character, white space that its parser waits behind, what may
    become a text of ``stop``, and a call of a tool that has no name yet.
    """
    sent = b'{"id_slot":%d,' % slot + body[1:]
    if patience.lasts_s > LONG_S:
        if APART.search(body) or _goes_on(body):
            return Asked(sent, None, NOTICED_S)
        return Asked(sent[:-1] + IN_PIECES, Assembled(who), SOON_S)
    if patience.lasts_s:
        return Asked(sent, None, SOON_S, whole=True)
    if len(body) > LONG_PROMPT and STREAMS.search(body):
        return Asked(sent[:-1] + TOLD, Unread(who), SOON_S)
    return Asked(sent, None, SOON_S)


def _goes_on(body: bytes) -> bool:
    """Whether the answer to *body* goes on from a message of the assistant's: in one piece that stands before it."""
    if not GOES_ON.search(body):
        return False
    messages = json.loads(body).get("messages")
    return bool(messages) and messages[-1]["role"] == "assistant"


class Assembled:
    """Takes a stream piece by piece; *who* is named where it fails."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._events = EventReader()
        self._about: dict[str, Any] = {}
        self._finish: str | None = None
        self._texts: dict[str, list[str]] = {"content": []}
        self._calls: list[dict[str, Any]] = []
        self._complete = False

    def feed(self, piece: bytes) -> bytes:
        """Keep the next bytes; raises what the engine says instead of an answer."""
        for name, data in self._events.feed(piece):
            if data == b"[DONE]":
                self._complete = True
            elif name == "error" or data.startswith(b'{"error"'):
                raise _failed(data, self._who)
            elif PROGRESS not in data:
                self._take(data)
        return b""

    def rest(self) -> bytes:
        """The answer; raises ``EngineError`` where the stream has no end."""
        if not self._complete:
            raise EngineError(f"the answer of {self._who} broke off", code="engine_failed")
        about = self._about
        about["object"] = KINDS.get(about["object"], about["object"])
        found = {"choices": [self._choice()], **{name: about[name] for name in ORDER if name in about}}
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()

    def _take(self, data: bytes) -> None:
        try:
            event = json.loads(data)
            for choice in event.pop("choices"):
                self._finish = choice["finish_reason"] or self._finish
                self._delta(choice["delta"] if "delta" in choice else {"content": choice["text"]})
            self._about |= event
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise EngineError(f"{self._who} does not stream as llama.cpp's server does") from None

    def _delta(self, delta: dict[str, Any]) -> None:
        for name in ("content", "reasoning_content"):
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


class Unread:
    """Takes from the head of a stream what says how far the engine is; *who* is named where it fails."""

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
