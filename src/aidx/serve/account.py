"""What an engine says that it allocated, as ``GET /plan`` tells it: to be held against the ledger beside it."""

from collections.abc import Mapping
from typing import Any

from aidx.ports.engine import Allocated


def account(role: str, told: Allocated) -> Mapping[str, Any]:
    """The object for the process of *role*: entries by device, each true to ``resolution_bytes``."""
    return {
        "role": role,
        "build": told.build,
        "n_ctx": told.n_ctx,
        "resolution_bytes": told.resolution,
        "devices": [
            {
                "name": name,
                "entries": [{"what": entry.what, "bytes": entry.bytes, "why": entry.why} for entry in entries],
            }
            for name, entries in told.devices.items()
        ],
    }
