"""Whom the endpoint lets in: by Host, Origin and key. Pages from elsewhere and other names for us stay outside."""

import hmac
import re
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from aidx.errors import InputError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::[0-9]{0,5})?")  # an address with colons stands in brackets
OPEN = frozenset({"/", "/health", "/ready"})  # without a key: a supervisor has none, and the page asks for it


PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type"),
    (b"access-control-max-age", b"600"),
]
READABLE = (b"access-control-expose-headers", b"*, retry-after")
Headers = Sequence[tuple[bytes, bytes]]


class Door(Struct, frozen=True):
    """*host* is the address bound to, *key* what clients must send (``None``: nothing).

    *origins* are those of pages elsewhere that may ask; ours may anyway.
    """

    host: str = "127.0.0.1"
    key: str | None = None
    origins: frozenset[bytes] = frozenset()

    def check(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        """Raise ``InputError`` for a request that stays outside; names of *headers* are in lower case.

        Returned are the headers without which the browser keeps the answer from a page that may ask.
        """
        named = dict(headers)
        if len(named) < len(headers):  # who stands in between may have looked at the other one
            _check_once(headers)
        host, origin = named.get(b"host", b""), named.get(b"origin")
        self._check_host(host)
        if origin is None or origin == b"http://" + host:
            return []
        if origin not in self.origins:
            raise InputError("pages of this Origin are not allowed", code="origin_not_allowed")
        return [(b"access-control-allow-origin", origin), (b"vary", b"origin"), READABLE]

    def check_key(self, path: str, headers: Headers) -> None:
        """Raise ``InputError`` for a request without the key, where one is wanted."""
        if path not in OPEN and not self.knows(headers):
            raise InputError(
                "the API key is missing or wrong",
                code="invalid_api_key",
                hint="Send it as Authorization: Bearer KEY (OPENAI_API_KEY for most clients).",
            )

    def knows(self, headers: Headers) -> bool:
        """Whether who asks has the key, or none is wanted."""
        if self.key is None:
            return True
        given = next((value for name, value in headers if name == b"authorization"), b"")
        scheme, _, token = given.partition(b" ")
        # Bytes: compare_digest raises for text that is not ASCII, which would say that the key was looked at.
        right = hmac.compare_digest(token.strip(), self.key.encode())
        return right and scheme.lower() == b"bearer"  # a scheme's case means nothing (RFC 9110, 11.1)

    def _check_host(self, host: bytes) -> None:
        """A page may point a name of its own at us (DNS rebinding); then the name is not one of ours."""
        if self.host not in WILDCARDS and not _ours(host, self.host):
            raise InputError("this Host is not served here", code="host_not_allowed", hint=f"Use {self.host}.")


def _check_once(headers: Headers) -> None:
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        raise InputError("a request names one Host", code="invalid_request")
    if names.count(b"authorization") > 1:
        raise InputError("a request has one Authorization", code="invalid_request")


@lru_cache(maxsize=16)
def _ours(host: bytes, bound: str) -> bool:
    """Whether *host*, with a port or without, is the address *bound* or this machine."""
    found = HOST.fullmatch(host.decode("latin-1").lower())
    return found is not None and (found[1] or found[2]) in {*LOOPBACK, bound}
