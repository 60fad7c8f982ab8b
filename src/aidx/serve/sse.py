"""Server-sent events that pass through: only whole ones, and one last word when they break off."""

import json

END = b"data: [DONE]\n\n"


class Events:
    """Cuts a stream of bytes at the borders of events; remembers whether the last one was the end."""

    def __init__(self) -> None:
        self._rest = b""
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        """The events that *data* completes, unchanged; what follows them waits."""
        data = self._rest + data
        cut = data.rfind(b"\n\n") + 2
        if cut < 2:  # no border yet
            self._rest = data
            return b""
        whole, self._rest = data[:cut], data[cut:]
        self.complete = whole.endswith(END)
        return whole


def failure(message: str, code: str) -> bytes:
    """The one event that ends a stream that cannot be completed; clients raise what it says."""
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
