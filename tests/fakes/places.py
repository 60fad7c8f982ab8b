"""Real programs and servers that whoever runs the tests names, as ``AIDX_TEST_LLAMA_SERVER``.

Read before the tests empty their environment. Each server has the model that ships, as ``tiny``.
"""

import os
from contextlib import contextmanager

from msgspec.structs import replace

PREFIX = "AIDX_TEST_"
PLACES = {name.removeprefix(PREFIX): value for name, value in os.environ.items() if name.startswith(PREFIX) and value}
SERVERS = ("VLLM", "OLLAMA", "LITELLM")
KEY = "sk-of-the-test"


def servers(*names):
    """Of those called *names* the ones that run, as hosts of an engine."""
    return {f"real_{name.lower()}": _at(PLACES[name]) for name in names if PLACES.get(name, "").startswith("http")}


def _at(url):
    @contextmanager
    def host(launch):
        yield replace(launch, path="", urls=(url,), key=KEY)

    return host
