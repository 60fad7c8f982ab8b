"""From the address that a person configured to connections."""

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from aidx.adapters.http import Pool
from aidx.adapters.tunnel import Proxy, proxy
from aidx.errors import InputError

PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Where an engine listens; *path* stands before every path of its interface, without a slash at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        """It as a person writes it."""
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}{self.path}"


def address(url: str) -> Address:
    """*url* in its parts; ``InputError`` for one that is no address, or has a key in it."""
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "a url has a name or a password in it (it is not shown)",
            hint="Put the key into a variable, and name that in api_key_env.",
        )
    if parts.hostname is None or not port or parts.query or parts.fragment:
        raise InputError(f"{url} is not the address of an engine", hint="Write it like http://127.0.0.1:8080.")
    return Address(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def pool(at: Address, headers: Mapping[str, str] | None = None, *, through: Proxy | None = None) -> Pool:
    """Connections to *at*, encrypted where it says https; belongs to the event loop that uses it first."""
    tls = None
    if at.scheme == "https":
        from aidx.adapters.tls import context

        tls = context()
    return Pool(at.host, at.port, headers, prefix=at.path, tls=tls, listens=True, through=through)


def outside(at: Address, headers: Mapping[str, str] | None = None) -> Pool:
    """Connections to a service elsewhere: by the proxy that the environment names, where it names one for *at*."""
    through = proxy(at.host, os.environ) if at.scheme == "https" else None
    return pool(at, headers, through=through)


def bearer(key: str | None) -> Mapping[str, str]:
    """The header that carries *key*, if there is one."""
    if key is None:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError("the key has characters that no key has", hint="Check the variable: a line feed, a quote?")
    return {"Authorization": f"Bearer {key}"}
