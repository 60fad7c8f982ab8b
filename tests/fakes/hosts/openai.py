"""Services that speak as OpenAI does: llama.cpp's real server, and those that are named and run."""

from contextlib import contextmanager

from msgspec.structs import replace

from tests.fakes.hosts.llama_server import running
from tests.fakes.places import SERVERS, servers


@contextmanager
def service(launch):
    with running(launch) as ready:
        yield replace(ready, path="")


HOSTS = {"service": service} | servers(*SERVERS)
