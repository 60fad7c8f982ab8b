"""How far llama.cpp's server is with a long prompt: said at the head of a stream, and not to our client."""

from aidx.adapters.talk.refusal import refused_in

PROGRESS = b'"prompt_progress":'  # as JSON writes it; inside a string the quotation marks are escaped
ERROR = (b'data: {"error"', b"error:")


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
                raise refused_in(event.partition(b":")[2], self._who)
            if PROGRESS not in event:
                self._reads = False
                return self.rest()
            self._rest = self._rest[end:]
        return b""

    def rest(self) -> bytes:
        """What is kept."""
        found, self._rest = self._rest, b""
        return found
