"""Which addresses may be visited, and a way to connect that visits no other.

A name is resolved once, what it resolves to is checked, and what was checked is connected to: a name that
changes its mind between the check and the connection gains nothing.
"""

import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

import httpcore2

from aidx.errors import EngineError

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address, which a gateway connects to."""


class Peer(NamedTuple):
    """A host, as it stands in a URL, and a port."""

    host: str
    port: int


def is_public(address: str) -> bool:
    """Whether *address* (as ``getaddrinfo`` writes it) is on the open internet, whatever it is wrapped in."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(part.is_global and not part.is_multicast for part in _layers(found))


def _layers(address: IPv4Address | IPv6Address) -> Iterable[IPv4Address | IPv6Address]:
    """*address*, and the IPv4 addresses that an IPv6 one leads to: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    inner = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return (address, *(found for found in inner if found is not None))


class PrivateAddressError(EngineError):
    """A name leads into a private network."""

    code = "private_address"


class GuardedBackend(httpcore2.NetworkBackend):
    """Connects to public addresses, and to *trusted* peers wherever they are."""

    def __init__(self, trusted: Collection[Peer]) -> None:
        self._trusted = frozenset(trusted)
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Resolve, check, connect; raises ``PrivateAddressError`` where the name leads into a private network."""
        failure: Exception | None = None
        for address in self._resolve(host, port):
            try:
                return self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"no address of {host} answers")

    def _resolve(self, host: str, port: int) -> list[str]:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise EngineError(
                f"the name {host} cannot be resolved", hint="Check the name and the network.", code="network_failed"
            ) from None
        found = list(dict.fromkeys(str(row[4][0]) for row in rows))
        private = [] if Peer(host, port) in self._trusted else [each for each in found if not is_public(each)]
        if private:
            led = f"{host} leads to {private[0]}, which" if host != private[0] else host
            raise PrivateAddressError(
                f"{led} is no public address",
                hint="Name a public server; a file of your own network is planned from a copy on this machine.",
            )
        return found
