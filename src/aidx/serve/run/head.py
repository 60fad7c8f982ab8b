"""Heads of requests: what is asked of whom, and how large that is."""

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httptools

if TYPE_CHECKING:
    from aidx.serve.answer import Headers
    from aidx.serve.run.call import Call

OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})


@lru_cache(maxsize=64)
def path(url: bytes) -> str:
    """What of *url* is looked at; raises ``ValueError`` or httptools' error for one that is none."""
    found = url.partition(b"?")[0] if url.startswith(b"/") else httptools.parse_url(url).path or b"/"
    text = found.decode("ascii")
    return unquote(text) if "%" in text else text


def absolute(url: bytes, headers: "Headers") -> "Headers":
    """*headers* of a request for *url*, which names a host of its own: that one counts (RFC 9112, 3.2.2)."""
    parts = urlsplit(url)
    if not parts.netloc:
        return headers
    return [(b"host", parts.netloc), *[header for header in headers if header[0] != b"host"]]


def size(url: bytes, headers: "Headers") -> int:
    """Bytes of a head, at least."""
    return len(url) + sum([len(name) + len(value) + 4 for name, value in headers])


def without_offer(call: "Call", url: bytes) -> bytes:
    """The head of *call*, without what it offers to speak."""
    lines = [b"%b %b HTTP/1.%d" % (call.method.encode(), url, not call.old)]
    lines += [b"%b: %b" % header for header in call.headers if header[0] not in OFFER]
    if any(name == b"connection" and b"close" in value.lower() for name, value in call.headers):
        lines.append(b"connection: close")
    return b"\r\n".join([*lines, b"", b""])
