"""How long a slot stays taken after its client has gone: plain and streamed, alone and beside one who goes on asking.

    python benchmarks/gateway/leave.py [--times 50] [--only logprobs]

Plain answers are of the kinds that are put together in another way, too: with probabilities, with a text to stop at
beside them, going on from a message of the assistant's, held to a schema; the same with tools, by a template that
thinks; and vectors of many texts. `aidx serve` with its own engine and the shipped model, told by its header to be of
these kinds. Each client leaves at another moment, before the first token or after it; then the slot must be given back,
and the next request answered. Exit 1 where one in a hundred takes longer than a second.
"""

import argparse
import http.client
import json
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import survive

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.gguf.render import render

MOST_S = 1.0
LARGE = 700  # cells that those who leave hold at least, and none of the others
POLL_S = 0.005
ADMITTED_S = 60.0  # another one's answer may come first
LONGEST_STAY_S = 1.0
EARLY_S = 0.004  # in which it is let in, sent on, and begun
WATCHED_S = 0.15
THINKS = Path(__file__).parents[2] / "tests" / "golden" / "templates" / "qwen3.5.jinja"
MEAN = 1  # llama.cpp's LLAMA_POOLING_TYPE_MEAN
CONFIG = """
device.vram = "0"
serve.port = 0
[roles]
editor = {model = "aidx-tiny", ctx_size = 2048, parallel = 2}
drafter = {model = "thinks.gguf", ctx_size = 2048, parallel = 2}
embedder = {model = "embeds.gguf", ctx_size = 2048, parallel = 2}
"""
LIST = {"type": "array", "items": {"type": "integer"}, "minItems": 700}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
LISTED = {"logprobs": True, "top_logprobs": 2}
GOES_ON = {"goes on": "def g(y):"}
THINKING = {"model": "drafter"}
CALLING = {**THINKING, "tools": [TOOL]}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "stream": {"stream": True},
    "logprobs": LISTED,
    "logprobs, stop": {**LISTED, "stop": ["never written"]},
    "goes on": GOES_ON,
    "schema": {"response_format": {"type": "json_object", "schema": LIST}, "ignore_eos": False},
    "thoughts, logprobs": {**THINKING, **LISTED},
    "thoughts, logprobs, stop": {**THINKING, **LISTED, "stop": ["never written"]},
    "tools": CALLING,
    "tools, logprobs": {**CALLING, **LISTED},
    "tools, goes on": {**CALLING, **GOES_ON},
    "tools, logprobs, goes on": {**CALLING, **LISTED, **GOES_ON},
    "vectors": {"model": "embedder"},
    "plain, at once": {"at once": True},
    "stream, at once": {"stream": True, "at once": True},
}
SHORT, LONG = (1, 800), (45, 200)  # lines of the prompt and tokens of the answer: a few, or most of what a slot takes
WITH_TOOLS = (1, 450), (15, 100)  # whose template says much about them
TEXTS = 85  # of a few tokens, and most of a gate together


def deployed(folder: Path) -> tuple[str, ...]:
    """The options of a deployment of three models, written into *folder*."""
    path = Path(shipped.path())
    header = read_header(str(path), keep_tokenizer=True).header
    data = path.read_bytes()[header.size :]
    for name, key, value in (
        ("thinks", "tokenizer.chat_template", THINKS.read_text("utf-8")),
        ("embeds", "llama.pooling_type", MEAN),
    ):
        told = render({**header.metadata, key: value}, header.tensors, kinds=header.kinds)
        (folder / f"{name}.gguf").write_bytes(told + data)
    (folder / "aidx.toml").write_text(CONFIG, "utf-8")
    return "--config", str(folder / "aidx.toml")


def sizes(number: int, more: dict[str, Any]) -> tuple[int, int]:
    """Lines of the prompt and tokens of the answer."""
    return (WITH_TOOLS if "tools" in more else (SHORT, LONG))[number % 2]


def request(number: int, more: dict[str, Any]) -> tuple[str, bytes]:
    """Path and body of a request that no other is like."""
    lines, tokens = sizes(number, more)
    fields = {"model": "editor", **more}
    if fields["model"] == "embedder":
        return "/v1/embeddings", json.dumps(
            {**fields, "input": [f"{number:06}: {each}" for each in range(TEXTS)]}
        ).encode()
    turns = [{"role": "user", "content": f"{number:06}: def f(x):\n" * lines}]
    fields.pop("at once", None)
    if text := fields.pop("goes on", ""):
        turns.append({"role": "assistant", "content": text})
    asked = {"messages": turns, "max_tokens": tokens, "ignore_eos": True, "stream": False}
    return "/v1/chat/completions", json.dumps({**asked, **fields}).encode()


def taken(server: survive.Server) -> int:
    """Cells that are reserved."""
    reserved = server.get("/plan")[1]["reserved"]
    assert isinstance(reserved, dict)
    return int(reserved["tokens"])


def left(server: survive.Server, number: int, more: dict[str, Any]) -> float | None:
    """Seconds between a client's going and its slot's being free; ``None`` where its answer had ended before."""
    path, body = request(number, more)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + body)
        if "at once" in more:
            time.sleep(random.random() * EARLY_S)
            client.close()
            return seen(server)
        came = time.perf_counter()
        while taken(server) < LARGE:
            assert time.perf_counter() - came < ADMITTED_S, "it was not let in"
            time.sleep(POLL_S)
        stays = LONGEST_STAY_S * (1 if sizes(number, more)[0] == 1 else 0.2)
        time.sleep(random.random() * (0.1 if more.get("model") == "embedder" else stays))
        held = taken(server) >= LARGE
    began = time.perf_counter()
    while taken(server) >= LARGE:
        time.sleep(POLL_S)
    return time.perf_counter() - began if held else None


def seen(server: survive.Server) -> float:
    """Seconds until the slot was last seen taken by one who went before anybody could tell whether it was."""
    began = last = time.perf_counter()
    while (now := time.perf_counter()) - last < WATCHED_S:
        if taken(server) >= LARGE:
            last = now
        time.sleep(POLL_S)
    return last - began


def again(number: int, role: str, tokens: int, *, stream: bool) -> tuple[str, bytes]:
    """Path and body of a small request to *role*."""
    if role == "embedder":
        return "/v1/embeddings", json.dumps({"model": role, "input": f"{number:06}: def f(x):"}).encode()
    return "/v1/chat/completions", survive.request(number, tokens, stream=stream, role=role)


def ask(port: int, path: str, body: bytes) -> int:
    """The status of a request that is waited for to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", path, body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def answered(server: survive.Server, number: int, role: str) -> float:
    """Seconds until a request of one token is answered."""
    began = time.perf_counter()
    assert ask(server.port, *again(number, role, 1, stream=False)) == 200
    return time.perf_counter() - began


@contextmanager
def beside(port: int, role: str) -> Iterator[None]:
    """Somebody who is answered by *role* again and again, in streams where it writes."""
    ended = threading.Event()

    def go_on() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            ask(port, *again(number, role, 200, stream=True))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measured(server: survive.Server, kind: str, times: int, *, busy: bool) -> float:
    """Print a row; the seconds in which 99 of 100 slots were free."""
    more = KINDS[kind]
    role = more.get("model", "editor")
    found, next_ones = [], []
    with beside(server.port, role) if busy else nullcontext():
        for number in range(times):
            seconds = left(server, number, more)
            next_ones.append(answered(server, number, role))
            if seconds is not None:
                found.append(seconds)
    cuts = statistics.quantiles(found, n=100, method="inclusive")
    row = {
        "answer": kind,
        "beside": "others" if busy else "nobody",
        "left": len(found),
        **{f"p{cut}_ms": round(cuts[cut - 1] * 1e3) for cut in (50, 99)},
        "max_ms": round(max(found) * 1e3),
        "next_p50_ms": round(statistics.median(next_ones) * 1e3),
    }
    print(json.dumps(row), flush=True)
    return cuts[98]


def main() -> int:
    """Print a row for each kind; 0 when the slots were free in time."""
    options = argparse.ArgumentParser(description=Path(__file__).name)
    options.add_argument("--times", type=int, default=50)
    options.add_argument("--only", choices=KINDS, help="one of the kinds")
    chosen = options.parse_args()
    kinds = [chosen.only] if chosen.only else list(KINDS)
    with tempfile.TemporaryDirectory() as folder, survive.served(*deployed(Path(folder))) as server:
        found = [measured(server, kind, chosen.times, busy=busy) for busy in (False, True) for kind in kinds]
    return int(max(found) > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
