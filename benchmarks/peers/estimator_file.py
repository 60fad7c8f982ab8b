"""What xllamacpp's own estimator makes of local GGUF files; runs where xllamacpp and gguf are installed.

    python estimator_file.py < QUESTIONS

One JSON object a line, ``{"file", "ctx_size"}``, is answered by ``{"total", "seconds"}``: bytes on one GPU that
never stands in the way, everything offloaded, or by ``{"error"}``.
"""

import json
import sys
import time

from xllamacpp.memory import estimate_gpu_layers

ROOM = 1 << 45

for line in sys.stdin:
    question = json.loads(line)
    begun = time.perf_counter()
    try:
        found = estimate_gpu_layers(
            [{"name": "gpu0", "memory_free": ROOM, "memory_total": ROOM}],
            question["file"],
            [],
            context_length=question["ctx_size"],
            batch_size=512,
            num_parallel=1,
            kv_cache_type="f16",
        )
        answer = {"total": int(found.vram_size), "seconds": time.perf_counter() - begun}
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        answer = {"error": f"{type(error).__name__}: {error}"[:200]}
    print(json.dumps(answer), flush=True)
