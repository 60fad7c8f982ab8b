"""Another aidx node: the installed command, serving the model that ships."""

from contextlib import contextmanager

from msgspec.structs import replace

from tests.endpoint import Endpoint


@contextmanager
def node(launch):
    running = Endpoint("-np", str(launch.settings.parallel), "-c", str(launch.settings.ctx_size))
    try:
        yield replace(launch, path="", name="editor", urls=(running.url,))
    finally:
        running.stop()


HOSTS = {"node": node}
