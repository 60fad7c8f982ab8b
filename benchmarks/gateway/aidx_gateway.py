"""`aidx serve`'s whole path before an upstream that is none of its children: what the benchmark measures.

python benchmarks/gateway/aidx_gateway.py UPSTREAM_PORT [MODEL.gguf]

Tokens are counted with the vocabulary and the template of MODEL (aidx-tiny).
"""

import asyncio
import sys
from pathlib import Path

from aidx import wiring
from aidx.adapters.http import Pool
from aidx.adapters.stores.shipped import path as shipped
from aidx.adapters.talk.served import ServedChat
from aidx.gate.admit import Limits
from aidx.ports.engine import Allocated
from aidx.serve.run import Listen, Offer, Process, serve

SLOTS = 128
CONTEXT = 32_768


class Upstream:
    """A deployment that runs already."""

    pid = None

    def __init__(self, port: int) -> None:
        self._port = port

    def chat(self) -> ServedChat:
        """The way of talking to llama.cpp's server, to another port."""
        return ServedChat(Pool("127.0.0.1", self._port), longest_token=64)

    def allocated(self) -> Allocated:
        """Nothing."""
        return Allocated({}, CONTEXT, "stub", 1, 0)

    async def ended(self) -> str:
        """Never."""
        await asyncio.Event().wait()
        return ""

    def stop(self) -> None:
        """Leave it alone."""


def main() -> None:
    """Serve until killed."""
    upstream = Upstream(int(sys.argv[1]))
    model = sys.argv[2] if len(sys.argv) > 2 else shipped()
    limits = Limits(CONTEXT * SLOTS, CONTEXT, SLOTS, CONTEXT - 1024, 1024)
    process = Process("editor", lambda: upstream, 1, lambda: wiring.own_count(model))
    offer = Offer("editor", Path(model).name, limits, process)
    serve([offer], Listen(port=0), {}, say=lambda line: print(line, flush=True), tell=lambda _: None)


if __name__ == "__main__":
    main()
