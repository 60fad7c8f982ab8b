"""Listens: the socket, and what is done when that closes."""

import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from msgspec import Struct

from aidx.errors import InputError
from aidx.serve.app import App
from aidx.serve.run.http import Connection
from aidx.serve.run.hub import Hub

DRAIN_S = 3.5  # of the five seconds that SIGTERM has; the rest is for engines that hang (``adapters.child.GRACE_S``)
BACKLOG = 256


class Listen(Struct, frozen=True):
    """Where to listen; *key* is wanted of clients, and needed on anything but loopback.

    *origins* are those of pages elsewhere that may ask, such as ``https://chat.example``.
    """

    host: str = "127.0.0.1"
    port: int = 8411
    key: str | None = None
    origins: tuple[str, ...] = ()


@asynccontextmanager
async def listening(app: App, on: socket.socket) -> AsyncIterator[None]:
    """Answer on *on* for as long as the block runs, and until what is in flight has ended then."""
    hub = Hub(app, app.refused)
    server = await hub.loop.create_server(lambda: Connection(hub), sock=on, backlog=BACKLOG)
    try:
        yield
    finally:
        app.draining = True
        await hub.drain(DRAIN_S, server)


@contextmanager
def bound(listen: Listen) -> Iterator[socket.socket]:
    """A socket that listens; port 0 takes a free one. Raises ``InputError`` for an address that cannot be had."""
    with ExitStack() as stack:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            found = stack.enter_context(socket.socket(family, kind, protocol))
            if sys.platform != "win32":  # there it would let two servers share the port
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(BACKLOG)
        except OSError as error:
            raise InputError(
                f"cannot listen on {listen.host}:{listen.port}: {error.strerror or error}",
                hint="Choose another --port (0 takes a free one), or stop what listens there.",
            ) from None
        yield found


def address(of: socket.socket) -> str:
    """Where clients reach it."""
    host, port = of.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
