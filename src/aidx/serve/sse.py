"""Server-sent events that pass through: only whole ones, and one last word when they break off."""

import json

from aidx.errors import EngineError

END = b"data: [DONE]\n\n"
ERROR = (b'data: {"error"', b"error:")
USAGE = b'"usage":'  # as JSON writes it; inside a string the quotation marks are escaped


class Events:
    """Cuts a stream of bytes at the borders of events; remembers whether the last one was the end.

    Without *usage* the event that has nothing but the engine's account of the tokens is left out: it was asked for
    by us.
    """

    def __init__(self, *, usage: bool = True) -> None:
        self._usage = usage
        self._rest = b""
        self.complete = False
        self.failed: EngineError | None = None

    def feed(self, data: bytes) -> bytes:
        """The events that *data* completes, unchanged; what follows them waits.

        An event in which the engine says that it failed is not among them, nor what comes after it: it becomes
        ``failed``, for the last word is ours.
        """
        if self.failed is not None:
            return b""
        data = self._rest + data if self._rest else data
        cut = data.rfind(b"\n\n") + 2
        if cut < 2:  # no border yet
            self._rest = data
            return b""
        whole, self._rest = data[:cut], data[cut:]
        if b'{"error"' in whole or b"error:" in whole or (not self._usage and USAGE in whole):
            whole = self._looked_at(whole)
        self.complete = whole.endswith(END)
        return whole

    def _looked_at(self, whole: bytes) -> bytes:
        kept: list[bytes] = []
        for event in whole[:-2].split(b"\n\n"):
            if event.startswith(ERROR):
                self.failed = EngineError(f"the engine failed: {_message(event)}", code="engine_failed")
                break
            if self._usage or not _only_usage(event):
                kept.append(event + b"\n\n")
        return b"".join(kept)


def _only_usage(event: bytes) -> bool:
    if USAGE not in event:
        return False
    try:
        return bool(json.loads(event.removeprefix(b"data:")).get("choices") == [])
    except (ValueError, AttributeError):
        return False


def _message(event: bytes) -> str:
    try:
        return " ".join(str(json.loads(event.partition(b":")[2])["error"]["message"]).split())
    except (ValueError, KeyError, TypeError):
        return "it does not say why"


def failure(message: str, code: str) -> bytes:
    """The one event that ends a stream that cannot be completed; clients raise what it says."""
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
