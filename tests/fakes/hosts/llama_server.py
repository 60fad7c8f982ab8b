"""llama-server on PATH, and one that runs already."""

from contextlib import contextmanager

from msgspec.structs import replace

from aidx.adapters.engines import llama_server
from tests.fakes.program import on_path

KEY = "a-key-of-the-test"


@contextmanager
def program(launch):
    with on_path("llama-server", "llama_server_program.py"):
        yield launch


@contextmanager
def running(launch):
    with on_path("llama-server", "llama_server_program.py"), started(launch) as (url, key):
        yield replace(launch, urls=(url,), key=key)


@contextmanager
def started(launch):
    """Where it listens, and its key."""
    deployment = llama_server.ENGINE.start(launch)
    try:
        yield deployment._url.geturl(), deployment._key
    finally:
        deployment.stop()


HOSTS = {"started": program, "attached": running}
