"""What the engine's process takes beside the buffers it reports: idle, and after a prompt that fills the context.

    uv run python benchmarks/engine_process.py [MODEL.gguf]

Linux only: reads VmRSS and VmHWM of the engine child.
"""

import asyncio
import json
import sys
from pathlib import Path

from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores.shipped import path as shipped
from aidx.budget.settings import Settings
from aidx.ports.engine import Deployment, Launch

MIB = 1 << 20
TOKENS = 1024


def memory(pid: int, field: str) -> int:
    """Bytes of *field* in the process's status."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) << 10


async def fill(engine: Deployment) -> None:
    """One request that leaves no cell of the context empty."""
    chat = engine.chat()
    text = "x = 1\n" * 150
    body = json.dumps({"messages": [{"role": "user", "content": text}], "max_tokens": 8}).encode()
    async for _ in chat.answer(body, slot=0):
        pass
    chat.close()


def main() -> None:
    """Print both figures."""
    model = sys.argv[1] if len(sys.argv) > 1 else shipped()
    engine = ENGINE.start(Launch(model, "model", Settings(ctx_size=TOKENS)))
    try:
        buffers = sum(entry.bytes for found in engine.allocated().devices.values() for entry in found)
        pid = engine.pid or 0
        idle = memory(pid, "VmRSS")
        asyncio.run(fill(engine))
        peak = memory(pid, "VmHWM")
    finally:
        engine.stop()
    print(f"buffers the engine reports {buffers / MIB:8.2f} MiB")
    print(f"process, idle              {idle / MIB:8.2f} MiB, beside the buffers {(idle - buffers) / MIB:.2f}")
    print(f"process, peak              {peak / MIB:8.2f} MiB, beside the buffers {(peak - buffers) / MIB:.2f}")


if __name__ == "__main__":
    main()
