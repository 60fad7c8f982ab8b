"""What a request costs in steps of the interpreter: the same in every run, whatever else the machine does.

    python benchmarks/gateway/steps.py [--clients 16] [--requests 320] [--top 40]

The endpoint's connections, the gate and the connections to an engine run in this process over transports that are
functions; the engine answers as `stub.py` does. After 2,400 requests, with which the caches fill, each step is counted
by the function that takes it. Microseconds are those of this process without the counting, at best of 10 rounds.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Any

import uvloop
from run import body
from stub import answers

from aidx import wiring
from aidx.adapters import http
from aidx.adapters.stores.shipped import path as shipped
from aidx.adapters.talk.served import ServedChat
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.serve.app import App
from aidx.serve.door import Door
from aidx.serve.run.http import Connection
from aidx.serve.run.hub import Hub
from aidx.serve.service import Service

WARM = 2_400
ROUNDS = 10
SLOTS, CONTEXT = 128, 32_768
MARK = b"MARKMARK"
Steps = Counter[str]


class Transport(asyncio.Transport):
    """Hands what is written to a function."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        super().__init__()
        self._take = take

    def write(self, data: Any) -> None:  # noqa: ANN401 - asyncio's word
        """Take *data*."""
        self._take(data)

    def is_closing(self) -> bool:
        """It never is."""
        return False

    def pause_reading(self) -> None:
        """Nothing comes unasked."""

    def resume_reading(self) -> None:
        """Nothing comes unasked."""


class Clients:
    """Each sends its next request when the last one is answered."""

    def __init__(self, hub: Hub, number: int) -> None:
        self._loop = hub.loop
        request = body(1_000, stream=False)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: {len(request)}\r\n\r\n"
        self._request = (head.encode() + request).split(MARK)
        self._numbers = count()
        self._open = [Connection(hub) for _ in range(number)]
        for one in self._open:
            one.connection_made(Transport(lambda data, one=one: self._answered(one, data)))  # type: ignore[misc]

    async def run(self, requests: int) -> None:
        """Have so many answered."""
        self._left = self._unsent = requests
        self._done = self._loop.create_future()
        for one in self._open:
            self._send(one)
        await self._done

    def _send(self, one: Connection) -> None:
        if self._unsent:
            self._unsent -= 1
            self._loop.call_soon(one.data_received, (b"%08x" % next(self._numbers)).join(self._request))

    def _answered(self, one: Connection, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            sys.exit(data.decode())
        self._left -= 1
        self._send(one)
        if not self._left:
            self._done.set_result(None)


class Loop(uvloop.Loop):
    """Whoever connects, connects to the stub."""

    async def create_connection(self, protocol_factory: Callable[[], Any], *_: object, **__: object) -> Any:  # noqa: ANN401 - as asyncio has it
        """A connection that answers as the stub does."""
        plain, streamed = answers()
        one = protocol_factory()

        def answer(data: bytes) -> None:
            self.call_soon(one.data_received, streamed if b'"stream":true' in data else plain)

        one.connection_made(Transport(answer))
        return None, one


def counted(steps: Steps) -> Callable[[FrameType, str, object], Any]:
    """A function for ``sys.settrace`` that counts into *steps*."""

    def trace(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 - itself
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            code = frame.f_code
            steps[f"{code.co_filename.rpartition('aidx/')[2]} {code.co_qualname}"] += 1
        return trace

    return trace


async def main(clients: int, requests: int, top: int) -> None:
    """Count and print."""
    loop = asyncio.get_running_loop()
    gate = Gate(Limits(CONTEXT * SLOTS, CONTEXT, SLOTS, CONTEXT - 1024, 1024), loop.time)
    gate.counter.know(wiring.own_count(shipped()))
    gate.attach(ServedChat(http.Pool("127.0.0.1", 1), longest_token=64))
    world = Clients(Hub(App([Service("editor", "tiny", gate, 1)], {}, Door(), clock=loop.time)), clients)
    await world.run(WARM)
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await world.run(requests)
        took.append(time.process_time() - began)
    steps: Steps = Counter()
    sys.settrace(counted(steps))
    await world.run(requests)
    sys.settrace(None)
    ours = Counter({name: number for name, number in steps.items() if not name.startswith("/")})
    print(f"{ours.total() / requests:,.0f} steps, {min(took) / requests * 1e6:.1f} us a request")
    for name, number in ours.most_common(top):
        print(f"{number / requests:8.1f} {name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=320)
    parser.add_argument("--top", type=int, default=40)
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main(asked.clients, asked.requests, asked.top))
