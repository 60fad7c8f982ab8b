"""A service that speaks as OpenAI does: llama.cpp's real server, which has that interface."""

from contextlib import contextmanager

from msgspec.structs import replace

from tests.fakes.hosts.llama_server import running


@contextmanager
def service(launch):
    with running(launch) as ready:
        yield replace(ready, path="")


HOSTS = {"service": service}
