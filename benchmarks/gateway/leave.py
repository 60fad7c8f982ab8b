"""How long a slot stays taken after its client has gone: plain and streamed, alone and beside one who goes on asking.

    python benchmarks/gateway/leave.py [--times 50] [--only logprobs]

Plain answers are of the kinds that are put together in another way, too: with probabilities, with a text to stop at
beside them, going on from a message of the assistant's, held to a schema. `aidx serve` with its own engine and the
shipped model. Each client leaves at another moment, before the first token or after it; then the slot must be given
back, and the next request answered. Exit 1 where one in a hundred takes longer than a second.
"""

import argparse
import json
import random
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import survive

MOST_S = 1.0
LARGE = 700  # cells that those who leave hold at least, and none of the others
POLL_S = 0.005
ADMITTED_S = 60.0  # another one's answer may come first
LONGEST_STAY_S = 1.0
LIST = {"type": "array", "items": {"type": "integer"}, "minItems": 700}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stream": {"stream": True},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "logprobs, stop": {"logprobs": True, "stop": ["never written"]},
    "goes on": {"goes on": "def g(y):"},
    "schema": {"response_format": {"type": "json_object", "schema": LIST}, "ignore_eos": False},
}
PROMPTS = (1, 45)  # lines: a few tokens, or most of what a slot takes


def request(number: int, lines: int, tokens: int, more: dict[str, Any]) -> bytes:
    """An HTTP request of so many *lines* of prompt, with an answer of just so many *tokens*."""
    turns = [{"role": "user", "content": f"{number:06}: def f(x):\n" * lines}]
    fields = dict(more)
    if text := fields.pop("goes on", ""):
        turns.append({"role": "assistant", "content": text})
    asked = {"model": "editor", "messages": turns, "max_tokens": tokens, "ignore_eos": True, "stream": False}
    body = json.dumps({**asked, **fields}).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def taken(server: survive.Server) -> int:
    """Cells that are reserved."""
    reserved = server.get("/plan")[1]["reserved"]
    assert isinstance(reserved, dict)
    return int(reserved["tokens"])


def left(server: survive.Server, number: int, more: dict[str, Any]) -> float | None:
    """Seconds between a client's going and its slot's being free; ``None`` where its answer had ended before."""
    lines = PROMPTS[number % 2]
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request(number, lines, 800 if lines == 1 else 200, more))
        came = time.perf_counter()
        while taken(server) < LARGE:
            assert time.perf_counter() - came < ADMITTED_S, "it was not let in"
            time.sleep(POLL_S)
        time.sleep(random.random() * LONGEST_STAY_S * (1 if lines == 1 else 0.2))
        held = taken(server) >= LARGE
    began = time.perf_counter()
    while taken(server) >= LARGE:
        time.sleep(POLL_S)
    return time.perf_counter() - began if held else None


def answered(server: survive.Server, number: int) -> float:
    """Seconds until a request of one token is answered."""
    began = time.perf_counter()
    assert survive.outcome(server.port, survive.request(number, 1, stream=False), stream=False) == "200"
    return time.perf_counter() - began


@contextmanager
def beside(port: int) -> Iterator[None]:
    """Somebody who is answered in streams, again and again."""
    ended = threading.Event()

    def ask() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            survive.outcome(port, survive.request(number, 200, stream=True), stream=True)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main() -> int:
    """Print a row for each kind; 0 when the slots were free in time."""
    options = argparse.ArgumentParser(description=Path(__file__).name)
    options.add_argument("--times", type=int, default=50)
    options.add_argument("--only", choices=KINDS, help="one of the kinds")
    chosen = options.parse_args()
    times = chosen.times
    slow = False
    for busy in (False, True):
        for kind in [chosen.only] if chosen.only else KINDS:
            with survive.served() as server, beside(server.port) if busy else nullcontext():
                found, next_ones = [], []
                for number in range(times):
                    seconds = left(server, number, KINDS[kind])
                    next_ones.append(answered(server, number))
                    if seconds is not None:
                        found.append(seconds)
            cuts = statistics.quantiles(found, n=100, method="inclusive")
            row = {
                "answer": kind,
                "beside": "a stream" if busy else "nobody",
                "left": len(found),
                **{f"p{cut}_ms": round(cuts[cut - 1] * 1e3) for cut in (50, 99)},
                "max_ms": round(max(found) * 1e3),
                "next_p50_ms": round(statistics.median(next_ones) * 1e3),
            }
            print(json.dumps(row), flush=True)
            slow = slow or cuts[98] > MOST_S
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
