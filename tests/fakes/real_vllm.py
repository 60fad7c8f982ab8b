"""A real vLLM on the CPU, where ``AIDX_TEST_VLLM`` has one: a Python that has it, or where one runs as ``tiny``."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from tests.fakes.places import PLACES

PLACE = PLACES.get("VLLM", "")
CHECKPOINT = Path(__file__).parents[2] / "scripts" / "tiny_checkpoint.py"
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
STARTS_S = 600


@contextmanager
def real(launch):
    """The launch that attaches to it; one that this starts has the planned context, and is ended."""
    if PLACE.startswith("http"):
        yield replace(launch, path="", urls=(PLACE,))
        return
    with TemporaryDirectory(prefix="aidx-vllm-") as folder, socket() as free:
        subprocess.run([sys.executable, CHECKPOINT, folder], check=True)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        running = subprocess.Popen(_words(folder, port, launch.settings), env={**os.environ, **OFFLINE})
        try:
            _wait(running, port)
            yield replace(launch, path="", urls=(f"http://127.0.0.1:{port}",))
        finally:
            running.terminate()
            running.wait(60)


def _words(folder, port, settings):
    served = ("--model", folder, "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port))
    sizes = ("--max-model-len", str(settings.n_ctx), "--max-num-seqs", str(settings.parallel))
    cache = ("--kv-cache-memory-bytes", str(64 << 20), "--dtype", "float16", "--enforce-eager")
    return (PLACE, "-m", "vllm.entrypoints.openai.api_server", *served, *sizes, *cache)


def _wait(running, port):
    end = time.monotonic() + STARTS_S
    while time.monotonic() < end and running.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(1)
        finally:
            connection.close()
    raise RuntimeError(f"vLLM did not start (status {running.poll()})")
