"""What becomes of requests when one of three nodes is killed under load, again and again, at other moments.

    python benchmarks/gateway/nodes.py [--kills 10] [--clients 9]

`aidx serve` before three others. A node gets SIGKILL together with its engine, and comes back at the same address. Of
what had not begun to be answered nothing may be lost, and of streams that had begun one error event is the end. Exit
1 where that does not hold.
"""

import argparse
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))
import survive

NODES = 3
TOKENS = 300
ROLE = """
[roles.editor]
model = "editor"
engine = "aidx"
url = {urls}
ctx_size = 1024
parallel = 6
"""


def started(stack: ExitStack, folder: str, *options: str) -> subprocess.Popen[str]:
    """A server that answers, killed at the end with all of its own."""
    command = [sys.executable, "-m", "aidx", "serve", *options]
    child = stack.enter_context(
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder)
    )
    stack.callback(kill, child)
    assert child.stdout is not None, "it was started with a pipe"
    assert child.stdout.readline(), "it does not serve"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    """End it and its engine, without a word."""
    if child.poll() is None:
        for process in (*psutil.Process(child.pid).children(recursive=True), child):
            process.kill()
        child.wait()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def ready(port: int) -> None:
    """Wait until the one in front has looked at the nodes."""
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as numbers:
            if b'aidx_ready{role="editor"} 1' in numbers.read():
                return
        time.sleep(0.05)


def main() -> int:
    """Print what became of all requests; 0 when none was lost."""
    options = argparse.ArgumentParser(description=Path(__file__).name)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--clients", type=int, default=9)
    asked = options.parse_args()
    pick = random.Random(1)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ports = [free_port() for _ in range(NODES)]
        node = ("aidx-tiny", "--vram", "0", "-q", "-c", "1024", "-np", "2", "--port")
        nodes = [started(stack, folder, *node, str(port)) for port in ports]
        urls = json.dumps([f"http://127.0.0.1:{port}" for port in ports])
        Path(folder, "aidx.toml").write_text(ROLE.format(urls=urls), "utf-8")
        front = free_port()
        started(stack, folder, "--port", str(front), "-q")
        ready(front)
        load = survive.Load(front, asked.clients, TOKENS)
        for number in range(asked.kills):
            time.sleep(1.0 + pick.random() * 2)
            which = number % NODES
            kill(nodes[which])
            time.sleep(pick.random())
            nodes[which] = started(stack, folder, *node, str(ports[which]))
        outcomes = load.stop()
    lost = outcomes.total() - outcomes["200"] - outcomes["error event"]
    print(json.dumps({"kills": asked.kills, "outcomes": dict(sorted(outcomes.items())), "lost": lost}))
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
