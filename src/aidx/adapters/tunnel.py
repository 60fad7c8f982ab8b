"""To a service by a company's proxy: which one the environment names, and a tunnel through it (``CONNECT``)."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from aidx.errors import EngineError

if TYPE_CHECKING:
    import ssl

NAMES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
MOST = 1 << 14  # bytes of what a proxy answers
END = b"\r\n\r\n"

AnyProtocol = TypeVar("AnyProtocol", bound=asyncio.Protocol)


class Proxy(NamedTuple):
    """Where a proxy listens; *name* is the variable that said so, *key* what it is told of who asks."""

    name: str
    host: str
    port: int
    key: str = ""


def named(host: str, environment: Mapping[str, str]) -> str:
    """The variable that names a proxy for *host*; empty where there is none, and for what is near by."""
    name = next((name for name in NAMES if environment.get(name)), "")
    if not name or _near(host):
        return ""
    return "" if _direct(host.lower(), environment.get("NO_PROXY") or environment.get("no_proxy") or "") else name


def proxy(host: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for *host*; ``None`` where it is asked directly, and for a proxy of a kind that is not spoken here."""
    name = named(host, environment)
    if not name:
        return None
    value = environment[name].strip()
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or not parts.hostname:
        return None
    who = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return Proxy(name, parts.hostname, port, "" if who == ":" else b64encode(who.encode()).decode())


def _direct(host: str, listed: str) -> bool:
    """Whether *host*, or what it is part of, is among the names of ``NO_PROXY``."""
    for each in listed.lower().replace(",", " ").split():
        known = each.removeprefix("*").removeprefix(".").partition(":")[0]
        if not known or host == known or host.endswith(f".{known}"):
            return True
    return False


def _near(host: str) -> bool:
    """Whether *host* is this machine, or an address of a network of one's own."""
    try:
        found = ip_address(host)
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")
    return not found.is_global


async def connect(
    kind: Callable[[], AnyProtocol], host: str, port: int, tls: "ssl.SSLContext", through: Proxy
) -> AnyProtocol:
    """A *kind* of connection to *host*, encrypted from here to there; raises ``OSError`` where nobody answers.

    Raises ``EngineError`` where the proxy does not let it through.
    """
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_connection(_Asking, through.host, through.port)
    made = None
    try:
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        key = f"Proxy-Authorization: Basic {through.key}\r\n" if through.key else ""
        transport.write(f"CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n{key}\r\n".encode("ascii"))
        _let_through(await asking.status, at, through)
        connection = kind()
        made = await loop.start_tls(transport, connection, tls, server_hostname=host)
        connection.connection_made(_open(made))
    finally:
        if made is None:
            transport.abort()
    return connection


def _let_through(status: int, at: str, through: Proxy) -> None:
    if status == 200:
        return
    hint = f"Ask who runs it, or name {at.rpartition(':')[0]} in NO_PROXY."
    if status == 407:
        hint = "It wants a name and a password: http://NAME:PASSWORD@HOST:PORT."
    said = f"refuses {at}: status {status}" if status else "does not answer as a proxy does"
    raise EngineError(f"the proxy that {through.name} names {said}", hint=hint, code="proxy_refused")


def _open(transport: asyncio.Transport | None) -> asyncio.Transport:
    if transport is None:
        raise ConnectionError("the connection was closed")
    return transport


class _Asking(asyncio.Protocol):
    """What a proxy answers to ``CONNECT``: its *status*, 0 for what is not an answer."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._heard = b""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, end, rest = self._heard.partition(END)
        if self.status.done() or (not end and len(head) <= MOST):
            return
        words = head.split(b" ", 2)
        known = bool(end) and words[0] in {b"HTTP/1.0", b"HTTP/1.1"} and len(words) > 1 and words[1].isdigit()
        status = int(words[1][:3]) if known else 0
        self.status.set_result(0 if status == 200 and rest else status)  # nobody there speaks before we do

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(exc or ConnectionError("the proxy closed the connection"))
