"""What hf-mem makes of local GGUF files; runs in hf-mem's own environment.

    python hf_mem_file.py < QUESTIONS

One JSON object a line, ``{"file", "ctx_size"}``, is answered by ``{"weights", "kv", "seconds"}`` in bytes, or by
``{"error"}``. hf-mem itself reads files of the Hub alone; here its own parser is handed the bytes that it would fetch.
"""

import json
import sys
import time
from pathlib import Path

from hf_mem.gguf.metadata import parse_gguf_metadata  # type: ignore[import-not-found]

for line in sys.stdin:
    question = json.loads(line)
    with Path(question["file"]).open("rb") as file:
        head = file.read(question["header"])
    begun = time.perf_counter()
    try:
        found = parse_gguf_metadata(
            raw_metadata=head,
            experimental=True,
            max_model_len=question["ctx_size"],
            kv_cache_dtype="F16",
            batch_size=1,
        )
        kv = None if found.kv_cache is None else found.kv_cache.cache_size
        answer = {"weights": found.bytes_count, "kv": kv, "seconds": time.perf_counter() - begun}
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        answer = {"error": f"{type(error).__name__}: {error}"[:200]}
    print(json.dumps(answer), flush=True)
