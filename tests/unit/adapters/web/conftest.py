"""A scripted server and a client that trusts it and nobody else."""

from contextlib import ExitStack, closing

import pytest
from tests.fakes.server import serving

from aidx.adapters.web.client import Web


@pytest.fixture
def server():
    with serving() as found:
        yield found


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def make_web():
    """Clients that are closed when the test is over."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(closing(Web(**settings)))


@pytest.fixture
def web(server, pauses, make_web):
    return make_web(trusted=(server.peer,), pause=pauses.append)
