"""What hostile bodies cost: CPU of the gateway for each, its memory afterwards, and how long others wait meanwhile.

    python benchmarks/gateway/hostile.py [--rounds 20]

Bodies of at most 1 MiB, refused within 50 ms of CPU each (the exit status says so), and 32 MiB for all of them.
Then all of them come at the same time, again and again, while 256 clients dawdle: `/health` is answered within 100 ms
in 99 of 100 cases.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.fakes.malice import CORPUS

MOST_MS, MOST_MIB, MOST_HEALTH_MS = 50, 32, 100
SLOW, ATTACKERS, PROBES = 256, 2, 300
MIB = 1 << 20


def send(port: int, body: bytes) -> int:
    """The status that answers *body*."""
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def used(process: psutil.Process) -> float:
    """Seconds of CPU."""
    return sum(process.cpu_times()[:2])


def health(port: int) -> float:
    """Milliseconds in which `/health` is answered in 99 of 100 cases."""
    times = []
    for _ in range(PROBES):
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            answer.read()
        times.append((time.perf_counter() - began) * 1e3)
        time.sleep(0.005)
    return statistics.quantiles(times, n=100)[98]


def attacked(port: int) -> float:
    """The same while everybody attacks."""
    with ExitStack() as stack:
        for number in range(SLOW):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow.sendall(
                (b"GET /health HT", b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nCont")[number % 2]
            )
        for _ in range(ATTACKERS):
            attacker = stack.enter_context(subprocess.Popen([sys.executable, __file__, "--attack", str(port)]))
            stack.callback(attacker.kill)
        time.sleep(2)
        return health(port)


def attack(port: int) -> None:
    """Send all of them again and again, until killed."""
    while True:
        for body in CORPUS.values():
            send(port, body)


def main() -> int:
    """Print a row for each body; 0 when all were cheap."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--attack", metavar="PORT", type=int, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.attack is not None:
        attack(asked.attack)
    rounds = asked.rounds
    command = [sys.executable, "-m", "aidx", "serve", "aidx-tiny", "--vram", "0", "--port", "0", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None, "it was started with a pipe"
        port = int(server.stdout.readline().rpartition(":")[2])
        process = psutil.Process(server.pid)
        time.sleep(1)
        for body in CORPUS.values():
            send(port, body)
        before, worst = process.memory_info().rss, 0.0
        for name, body in CORPUS.items():
            began = used(process)
            status = [send(port, body) for _ in range(rounds)][-1]
            cost = (used(process) - began) / rounds * 1e3
            worst = max(worst, cost)
            print(json.dumps({"body": name, "bytes": len(body), "status": status, "cpu_ms": round(cost, 1)}))
        alone, meanwhile = health(port), attacked(port)
        growth = (process.memory_info().rss - before) / MIB
        found = {"worst_cpu_ms": worst, "growth_mib": growth, "health_p99_ms": meanwhile, "alone": alone}
        print(json.dumps({name: round(value, 1) for name, value in found.items()}))
        server.terminate()
    return int(worst > MOST_MS or growth > MOST_MIB or meanwhile > MOST_HEALTH_MS)


if __name__ == "__main__":
    sys.exit(main())
