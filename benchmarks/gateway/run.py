"""What the gateway costs, beside others: CPU a request, added latency, requests and chunks a second, start, RSS.

    python benchmarks/gateway/run.py [--seconds 3] [--model MODEL.gguf] [--litellm PYTHON]

Everything runs on this machine against the same stub upstream: first the stub alone, then each gateway before it.
CPU is that of the gateway's processes; the load and the stub have their own. On a machine that does other things
CPU a request is the figure to trust. LiteLLM runs where a Python is named that has it (``litellm[proxy]``), in an
environment of its own: it must not share one with anything else.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from stub import EVENTS

from aidx.adapters.stores.shipped import path as shipped

HERE = Path(__file__).parent
MODES = ((1, "plain"), (16, "plain"), (64, "plain"), (16, "stream"))
LITELLM = """
model_list:
  - model_name: editor
    litellm_params: {{model: openai/stub, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
"""


class Running(NamedTuple):
    """A gateway: where it listens, its process, and how long it took to answer first."""

    port: int
    process: psutil.Process
    start_s: float


def prompt(size: int) -> str:
    """Python source of about *size* bytes."""
    return Path(argparse.__file__).read_text("utf-8")[2_000 : 2_000 + size]


def body(size: int, *, stream: bool) -> bytes:
    """A request with a prompt of *size* bytes."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt(size) + " MARKMARK"}]
    return json.dumps({"model": "editor", "messages": messages, "max_tokens": 64, "stream": stream}).encode()


@contextmanager
def started(command: list[str], *, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A child, ended afterwards."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env) as child:
        try:
            yield child
        finally:
            child.terminate()


def line(child: subprocess.Popen[str]) -> str:
    """The next line that *child* prints."""
    assert child.stdout is not None, "it was started with a pipe"
    return child.stdout.readline().strip()


@contextmanager
def aidx(upstream: int, model: str) -> Iterator[Running]:
    """Our gateway."""
    began = time.perf_counter()
    with started([sys.executable, str(HERE / "aidx_gateway.py"), str(upstream), model]) as child:
        port = int(line(child).rpartition(":")[2])
        took = time.perf_counter() - began
        time.sleep(1)  # the vocabulary is read while the model loads; the stub loads none
        yield Running(port, psutil.Process(child.pid), took)


@contextmanager
def litellm(upstream: int, python: str) -> Iterator[Running]:
    """LiteLLM's proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(LITELLM.format(port=upstream), "utf-8")
        env = {
            **os.environ,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # on loopback, before a stub
        }
        program = str(Path(python).parent / "litellm")
        began = time.perf_counter()
        command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        with started(command, env=env) as child:
            while time.perf_counter() - began < 120:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5):
                        break
                except OSError:
                    time.sleep(0.05)
            yield Running(port, psutil.Process(child.pid), time.perf_counter() - began)


def load(port: int, connections: int, seconds: float, request: bytes, mode: str) -> dict[str, Any]:
    """One closed loop."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(request)
        file.flush()
        command = [sys.executable, str(HERE / "load.py"), str(port), str(connections), str(seconds), file.name, mode]
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def cpu(process: psutil.Process) -> float:
    """Seconds that the process and its children have used."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def measure(name: str, running: Running, seconds: float, size: int) -> None:
    """Print a row for each mode."""
    for connections, mode in MODES:
        request = body(size, stream=mode == "stream")
        load(running.port, connections, min(1.0, seconds), request, mode)
        before = cpu(running.process)
        found = load(running.port, connections, seconds, request, mode)
        used = cpu(running.process) - before
        count = max(found["requests"], 1)
        row = {
            "gateway": name,
            "mode": mode,
            "connections": connections,
            "requests_per_s": round(count / found["seconds"]),
            "cpu_us_per_request": round(used / count * 1e6, 1),
            "requests_per_cpu_s": round(count / used) if used else None,
            **({"chunks_per_cpu_s": round(count * EVENTS / used)} if mode == "stream" and used else {}),
            "p50_ms": found["p50_ms"],
            "p99_ms": found["p99_ms"],
            "failed": found["failed"],
        }
        print(json.dumps(row), flush=True)
    rss = sum(one.memory_info().rss for one in (running.process, *running.process.children(recursive=True)))
    print(json.dumps({"gateway": name, "start_s": round(running.start_s, 2), "rss_mib": round(rss / (1 << 20))}))


def main() -> None:
    """Print a row for every gateway and mode."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--bytes", type=int, default=1_000, help="of the prompt")
    options.add_argument("--model", default=shipped())
    options.add_argument("--litellm", metavar="PYTHON")
    asked = options.parse_args()
    with started([sys.executable, str(HERE / "stub.py")]) as stub:
        port = int(line(stub))
        print(json.dumps({"prompt_bytes": asked.bytes, "load": os.getloadavg()[0]}))
        measure("none", Running(port, psutil.Process(stub.pid), 0.0), asked.seconds, asked.bytes)
        with aidx(port, asked.model) as running:
            measure("aidx", running, asked.seconds, asked.bytes)
        if asked.litellm:
            with litellm(port, asked.litellm) as running:
                measure("litellm", running, asked.seconds, asked.bytes)


if __name__ == "__main__":
    main()
