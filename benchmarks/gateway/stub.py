"""An upstream that costs next to nothing: one fixed answer, or 64 events in a burst, to whatever is asked.

    python benchmarks/gateway/stub.py

Prints its port. Understands as much HTTP as the gateways under test speak. It does not count prompts, so its usage
says nothing of them.
"""

import asyncio
import json

import uvloop

EVENTS = 64
WORDS = 120  # the answer has about 600 bytes
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n"


def answers() -> tuple[bytes, bytes]:
    """The plain answer and the streamed one."""
    usage = {"completion_tokens": EVENTS}
    same = {"id": "chatcmpl-1", "created": 1, "model": "stub"}
    message = {"role": "assistant", "content": "word " * WORDS}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    plain = json.dumps({**same, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    deltas = [{"index": 0, "delta": {"content": "word "}, "finish_reason": None} for _ in range(EVENTS - 1)]
    deltas.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [{**same, "object": "chat.completion.chunk", "choices": [delta]} for delta in deltas]
    events.append({**same, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    lines = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in lines) + b"0\r\n\r\n"
    return (
        HEAD % b"application/json" + b"Content-Length: %d\r\n\r\n" % len(plain) + plain,
        HEAD % b"text/event-stream" + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
    )


class Stub(asyncio.Protocol):
    """One connection."""

    plain: bytes
    streamed: bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            body, self._data = self._data[end + 4 : end + 4 + length], self._data[end + 4 + length :]
            streams = b'"stream":true' in body or b'"stream": true' in body
            self._transport.write(self.streamed if streams else self.plain)  # type: ignore[attr-defined]


async def main() -> None:
    """Serve until killed."""
    Stub.plain, Stub.streamed = answers()
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
