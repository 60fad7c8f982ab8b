"""Which processes of this machine listen at an address: an engine that runs already is seen by its port."""

import ipaddress
from urllib.parse import urlsplit


def listening(url: str) -> tuple[int, ...]:
    """The processes that listen on the port of *url*; none for another machine, and where the system does not tell."""
    import psutil

    parts = urlsplit(url)
    if not _loopback(parts.hostname or ""):
        return ()
    try:
        port = parts.port or 80
        found = psutil.net_connections(kind="tcp")
    except (ValueError, psutil.Error, OSError):
        return ()
    pids = {each.pid for each in found if each.status == psutil.CONN_LISTEN and each.laddr.port == port}
    return tuple(sorted(pid for pid in pids if pid))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
