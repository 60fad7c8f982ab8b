"""What hostile bodies cost: CPU of the gateway for each, and its memory afterwards.

    python benchmarks/gateway/hostile.py [--rounds 20]

Bodies of at most 1 MiB, refused within 50 ms of CPU each (the exit status says so), and 32 MiB for all of them.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.fakes.malice import CORPUS

MOST_MS, MOST_MIB = 50, 32
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


def main() -> int:
    """Print a row for each body; 0 when all were cheap."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
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
        growth = (process.memory_info().rss - before) / MIB
        print(json.dumps({"worst_cpu_ms": round(worst, 1), "growth_mib": round(growth, 1)}))
        server.terminate()
    return int(worst > MOST_MS or growth > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main())
