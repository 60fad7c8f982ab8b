"""What becomes of requests when the engine is killed under load, and of memory when the cache is always full.

    python benchmarks/gateway/survive.py [--kills 50] [--minutes 30] [--clients 8]

First `aidx serve` answers streams and plain requests while its engine gets SIGKILL, again and again: each request must
have one terminal answer, and an answer that looks complete must be complete. Then every cell of the cache is reserved
all the time, and the memory of gateway and engine is read each second: after a tenth of the time it must not grow.
The pause after three restarts in a minute is shortened, or fifty would take a quarter of an hour. Exit 1 where
anything of this does not hold.
"""

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psutil

SERVE = """
import sys
from aidx.serve import lifecycle
lifecycle.WINDOW_S = 0.5
from aidx.cli.main import main
sys.exit(main())
"""
CONTEXT, SLOTS = 2048, 2  # aidx-tiny was trained for 1,024 tokens: two sequences fill the pool
GROWTH_MIB = 8  # of the gateway, or of the engine, in the last nine tenths of the time: a leak shows more
MIB = 1 << 20


class Server:
    """A running `aidx serve`."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None, "it was started with a pipe"
        self.port = int(child.stdout.readline().rpartition(":")[2])
        self.process = psutil.Process(child.pid)

    @property
    def engine(self) -> psutil.Process | None:
        """Its child."""
        return next(iter(self.process.children()), None)

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and JSON of *path*."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
        connection.close()
        return found


@contextmanager
def served(*deployment: str) -> Iterator[Server]:
    """A server, ended afterwards; of the shipped model alone, or of a *deployment*'s options."""
    options = deployment or ("aidx-tiny", "--vram", "0", "--port", "0", "-c", str(CONTEXT), "-np", str(SLOTS))
    command = [sys.executable, "-c", SERVE, "serve", "-q", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield Server(child)
        finally:
            child.terminate()


def request(number: int, tokens: int, *, stream: bool, role: str = "editor") -> bytes:
    """A prompt that no other request has, and an answer of just so many *tokens*."""
    messages = [{"role": "user", "content": f"{number:06}: def f(x):"}]
    fields = {"model": role, "messages": messages, "max_tokens": tokens, "ignore_eos": True, "stream": stream}
    return json.dumps(fields).encode()


def outcome(port: int, body: bytes, *, stream: bool) -> str:
    """How one request ended, in a word; what must not happen begins with ``BROKEN``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/chat/completions", body)
        answer = connection.getresponse()
        whole = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"BROKEN {type(error).__name__}"
    finally:
        connection.close()
    if answer.status != 200:
        return str(answer.status)
    if not stream:
        return "200" if json.loads(whole)["choices"][0]["finish_reason"] == "length" else "BROKEN answer"
    events = whole.split(b"\n\n")[:-1]
    last = [event for event in events if event == b"data: [DONE]" or event.startswith(b'data: {"error"')]
    if len(last) != 1 or events[-1] != last[0]:
        return f"BROKEN stream with {len(last)} ends"
    return "200" if last[0] == b"data: [DONE]" else "error event"


class Load:
    """Clients that ask again as soon as they are answered."""

    def __init__(self, port: int, clients: int, tokens: int) -> None:
        self.ended = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self._numbers = count()
        self._threads = [
            threading.Thread(target=self._run, args=(port, tokens, each % 2 == 0)) for each in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, port: int, tokens: int, stream: bool) -> None:  # noqa: FBT001 - a thread's argument
        while not self.ended.is_set():
            found = outcome(port, request(next(self._numbers), tokens, stream=stream), stream=stream)
            self.outcomes[found] += 1
            if found in {"429", "502", "503"}:
                self.ended.wait(0.02)

    def stop(self) -> Counter[str]:
        """Wait for the last answers."""
        self.ended.set()
        for thread in self._threads:
            thread.join()
        return self.outcomes


def killed(kills: int, clients: int) -> bool:
    """Kill the engine *kills* times; whether every request had one answer and nothing was left reserved."""
    with served() as server:
        load = Load(server.port, clients, 60)
        for number in range(kills):
            while server.get("/ready")[0] != 200:
                time.sleep(0.02)
            time.sleep(0.1 + number % 5 * 0.2)  # so that requests are at every stage
            if (engine := server.engine) is not None:
                engine.kill()
        outcomes = load.stop()
        reserved = server.get("/plan")[1]["reserved"]
        row = {
            "kills": kills,
            "requests": outcomes.total(),
            "outcomes": dict(sorted(outcomes.items())),
            "left": reserved,
        }
        print(json.dumps(row), flush=True)
    lost = sum(number for name, number in outcomes.items() if name.startswith("BROKEN"))
    return not lost and reserved == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}


def soaked(minutes: float, clients: int) -> bool:
    """Keep the cache full for *minutes*; whether memory stayed as it was."""
    with served() as server:
        prompt = outcome_tokens(server.port)
        load = Load(server.port, clients, CONTEXT // SLOTS - prompt)
        began, samples, full, asked = time.monotonic(), [], 0, 0
        while (now := time.monotonic() - began) < minutes * 60:
            time.sleep(min(1.0, minutes * 60 / 20))
            engine = server.engine
            assert engine is not None, "nobody kills it here"
            reserved = server.get("/plan")[1]["reserved"]
            assert isinstance(reserved, dict)
            asked, full = asked + 1, full + (reserved["tokens"] == CONTEXT)
            samples.append((now, server.process.memory_info().rss, engine.memory_info().rss))
        outcomes = load.stop()
    settled = [sample for sample in samples if sample[0] >= minutes * 6]
    growth = [round((settled[-1][which] - settled[0][which]) / MIB, 1) for which in (1, 2)]
    row = {
        "minutes": minutes,
        "requests": outcomes.total(),
        "outcomes": dict(sorted(outcomes.items())),
        "share_of_time_full": round(full / asked, 3),
        "gateway_growth_mib": growth[0],
        "engine_growth_mib": growth[1],
    }
    print(json.dumps(row), flush=True)
    return max(growth) <= GROWTH_MIB and not any(name.startswith("BROKEN") for name in outcomes)


def outcome_tokens(port: int) -> int:
    """Tokens of each prompt: their numbers have as many digits."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/chat/completions", request(0, 1, stream=False))
    answer = connection.getresponse()
    answer.read()
    found = int(answer.headers["x-aidx-prompt-tokens"])
    connection.close()
    return found


def main() -> int:
    """Print a row for each part; 0 when both held."""
    options = argparse.ArgumentParser(description=Path(__file__).name)
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--clients", type=int, default=8)
    asked = options.parse_args()
    held = [killed(asked.kills, asked.clients)] if asked.kills else []
    held += [soaked(asked.minutes, asked.clients)] if asked.minutes else []
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
