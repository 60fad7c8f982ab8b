"""Which addresses may be visited; the wrapped private ones are the ways around a naive check."""

import pytest
from tests.fakes.server import serving

from aidx.adapters.web.addresses import GuardedBackend, Peer, PrivateAddressError, is_public
from aidx.errors import EngineError

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.0.9",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.2.1",
    "192.168.0.1",
    "192.168.178.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:7f00:1::",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
    "example.org",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.255.255",
    "192.169.0.1",
    "169.253.0.1",
    "2600:1f18::1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address):
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "10.0.0.1", "::1"])
def test_a_private_host_is_not_connected_to(host):
    with serving() as server, pytest.raises(PrivateAddressError) as caught:
        GuardedBackend(()).connect_tcp(host, server.peer.port, timeout=5)

    assert "no public address" in str(caught.value)
    assert (caught.value.exit_code, caught.value.code) == (4, "private_address")
    assert caught.value.hint


def test_trust_is_in_a_host_and_a_port():
    with serving() as server:
        GuardedBackend([server.peer]).connect_tcp(*server.peer, timeout=5).close()
        with pytest.raises(PrivateAddressError):
            GuardedBackend([Peer("127.0.0.1", server.peer.port + 1)]).connect_tcp(*server.peer, timeout=5)


def test_a_name_that_is_none():
    with pytest.raises(EngineError, match="cannot be resolved"):
        GuardedBackend(()).connect_tcp("no-such-host.invalid", 443, timeout=5)


def test_nobody_listens():
    with serving() as server:
        gone = server.peer
    with pytest.raises(Exception, match="refused"):
        GuardedBackend([gone]).connect_tcp(*gone, timeout=5)
