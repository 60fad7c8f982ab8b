"""A hub on loopback, and one that talks to it."""

from contextlib import ExitStack, closing

import pytest
from tests.fakes.server import serving

from aidx.adapters.hub.api import Hub
from aidx.adapters.web.client import Web


@pytest.fixture
def server():
    with serving() as found:
        yield found


@pytest.fixture
def make_hub(server):
    """Hubs with a token or without, closed when the test is over."""
    with ExitStack() as stack:

        def made(token=None):
            web = stack.enter_context(closing(Web(trusted=(server.peer,), pause=lambda _: None)))
            return Hub(web, server.url, token)

        yield made


@pytest.fixture
def hub(make_hub):
    return make_hub()
