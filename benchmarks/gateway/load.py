"""A closed loop of connections: each sends its next request when the last one is answered.

    python benchmarks/gateway/load.py PORT CONNECTIONS SECONDS BODY_FILE MODE

Prints one JSON object: requests, seconds, and milliseconds at p50, p95 and p99. MODE is plain, or stream for
answers that end with the chunk of length 0. ``MARK`` in the body becomes another number in each request: no two
prompts are the same.
"""

import asyncio
import json
import statistics
import sys
import time
from itertools import count
from pathlib import Path

import uvloop

MARK = b"MARKMARK"
NUMBERS = count()


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: tuple[bytes, bytes], times: list[float], *, streams: bool) -> None:
        self._request = request
        self._times = times
        self._streams = streams
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first one."""
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._data = b""
        self._began = time.perf_counter()
        number = b"%08x" % next(NUMBERS)
        self._transport.write(number.join(self._request))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Time the answer when it is complete, and send the next request."""
        self._data += data
        if self._complete():
            self._times.append(time.perf_counter() - self._began)
            self.failed += not self._data.startswith(b"HTTP/1.1 200")
            self._send()

    def _complete(self) -> bool:
        if self._streams and self._data.startswith(b"HTTP/1.1 200"):
            return self._data.endswith(b"\r\n0\r\n\r\n")
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return False
        at = head.lower().find(b"content-length:")
        return at < 0 or len(body) >= int(head[at + 15 :].split(b"\r\n", 1)[0])


async def main(port: int, connections: int, seconds: float, body: bytes, mode: str) -> None:
    """Run and print."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    before, _, after = body.partition(MARK)
    request = (f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + before, after)
    times: list[float] = []
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: Client(request, times, streams=mode == "stream"), "127.0.0.1", port
        )
        clients.append(client)
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    done = sorted(times)
    cuts = statistics.quantiles(done, n=100) if len(done) > 1 else [0.0] * 99
    failed = sum(client.failed for client in clients)
    shown = {f"p{cut}_ms": round(cuts[cut - 1] * 1e3, 4) for cut in (50, 95, 99)}
    print(json.dumps({"requests": len(done), "failed": failed, "seconds": took, **shown}))


if __name__ == "__main__":
    uvloop.run(
        main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]).read_bytes(), sys.argv[5])
    )
