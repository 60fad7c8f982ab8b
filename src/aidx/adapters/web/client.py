"""GET over https, following redirects by hand.

Every hop is https, its address is checked where it is connected to, and credentials go to no other origin
than the one that they were given for.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpcore2

import aidx
from aidx.adapters.web.addresses import GuardedBackend, Peer, PrivateAddressError
from aidx.errors import EngineError, InputError

REDIRECTS: Final = 6
_PORTS: Final = {"https": 443, "http": 80}
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_BY_HAND: Final = "Download the file in a browser, and name its path."
_TIMEOUTS: Final = {"connect": 10.0, "read": 30.0, "write": 10.0, "pool": 10.0}
_OFFLINE: Final = "Check the network, and try again."


class NetworkError(EngineError):
    """The connection broke, or the server was out of order: worth another try."""

    code = "network_failed"


class Deadline:
    """Seconds that an operation may take in all, however slowly the bytes drip."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def check(self, what: str) -> None:
        """Raise ``EngineError`` when the time is over."""
        if self._clock() > self._end:
            raise EngineError(f"{what}: not done within {self._seconds:.0f} s", hint=_OFFLINE, code="network_failed")


class Answer:
    """An answer from its header on; *url* is where it came from after all redirects."""

    def __init__(self, url: str, response: httpcore2.Response) -> None:
        self.url = url
        self.status = response.status
        self.headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in response.headers}
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; raises ``NetworkError`` where it ends before its time."""
        with _translated(self.url):
            yield from self._response.iter_stream()

    def whole(self, limit: int, deadline: Deadline | None = None) -> bytes:
        """The body, which may not be longer than *limit* bytes."""
        found = bytearray()
        for chunk in self.chunks():
            found += chunk
            if deadline is not None:
                deadline.check(host_of(self.url))
            if len(found) > limit:
                raise EngineError(f"{host_of(self.url)} sends more than {limit:,} bytes", hint="Report the address.")
        return bytes(found)


class Web:
    """A client for the open network; *trusted* peers may have private addresses and speak plain http.

    *clock* and *pause* stand for time, which tests decide about.
    """

    def __init__(
        self,
        *,
        trusted: Collection[Peer] = (),
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.clock = clock
        self.pause = pause
        self._trusted = frozenset(trusted)
        self._pool = httpcore2.ConnectionPool(network_backend=GuardedBackend(self._trusted), max_connections=4)

    @contextmanager
    def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, secret: Mapping[str, str] | None = None
    ) -> Iterator[Answer]:
        """The answer to ``GET url``, whatever its status; leaving early drops the connection.

        *secret* headers go to the origin of *url* alone. Raises ``InputError`` for an address that is none,
        ``NetworkError`` where nobody answers, ``EngineError`` for redirects that lead astray.
        """
        home = origin_of(url)
        at, been = url, {url}
        for _ in range(REDIRECTS + 1):
            self._check(at, first=at == url)
            sent = {**self._fixed(at), **(headers or {}), **((secret or {}) if origin_of(at) == home else {})}
            with ExitStack() as stack:
                try:
                    answer = stack.enter_context(self._send(at, sent))
                except PrivateAddressError as error:
                    if at != url:
                        raise
                    raise InputError(str(error), hint=error.hint, code=error.code) from None
                if answer.status not in _MOVED:
                    yield answer
                    return
                at = _next(answer)
            if at in been:
                raise EngineError(f"{host_of(url)} redirects in a circle", hint=_BY_HAND, code="bad_redirect")
            been.add(at)
        raise EngineError(f"{host_of(url)} redirects more than {REDIRECTS} times", hint=_BY_HAND, code="bad_redirect")

    def deadline(self, seconds: float) -> Deadline:
        """A deadline on this client's clock."""
        return Deadline(seconds, self.clock)

    def close(self) -> None:
        """Drop the connections."""
        self._pool.close()

    @contextmanager
    def _send(self, url: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        timeouts = {"timeout": dict(_TIMEOUTS)}
        with ExitStack() as stack:
            with _translated(url):
                sent = list(headers.items())
                response = stack.enter_context(self._pool.stream("GET", url, headers=sent, extensions=timeouts))
            yield Answer(url, response)

    def _check(self, url: str, *, first: bool) -> None:
        parts = urlsplit(url)
        if parts.username is not None:
            raise InputError("the address carries a user name, which is sent nowhere", hint="Leave it out.")
        if parts.scheme == "https" or (parts.scheme == "http" and peer_of(url) in self._trusted):
            return
        if first:
            raise InputError(f"{host_of(url)}: only https is spoken", hint="Give an https address.")
        raise EngineError(
            f"a redirect leads to {parts.scheme}://{host_of(url)}, and only https is followed",
            hint="Check the address.",
            code="bad_redirect",
        )

    def _fixed(self, url: str) -> dict[str, str]:
        return {
            "Host": urlsplit(url).netloc,
            "User-Agent": f"aidx/{aidx.__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }


def host_of(url: str) -> str:
    """The host that *url* names, for messages; the rest of it may be a signature that is nobody's business."""
    return urlsplit(url).hostname or "the server"


def peer_of(url: str) -> Peer:
    """Host and port of *url*; raises ``InputError`` where there is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise InputError(f"{url[:80]!r} is no address", hint="Check the address.") from None
    return Peer(parts.hostname or "", port)


def origin_of(url: str) -> tuple[str, Peer]:
    """Scheme, host and port: credentials given for one origin are sent to no other."""
    return urlsplit(url).scheme, peer_of(url)


def _next(answer: Answer) -> str:
    try:
        target = urljoin(answer.url, answer.headers["location"])
        parts = urlsplit(target)
        plain = parts.username is None and target.isascii() and parts.port != 0
        sound = bool(parts.hostname) and plain and bool(answer.headers["location"])
    except (KeyError, ValueError):
        sound = False
    if not sound:
        raise EngineError(
            f"{host_of(answer.url)} redirects to no address", hint="Check the address.", code="bad_redirect"
        )
    return target


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Foreign errors in our words."""
    try:
        yield
    except (httpcore2.UnsupportedProtocol, httpcore2.LocalProtocolError) as error:
        raise InputError(f"{url[:80]!r} is no address: {error}", hint="Check the address.") from None
    except httpcore2.TimeoutException:
        raise NetworkError(f"{host_of(url)} did not answer in time", hint=_OFFLINE) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):  # trying again would not change it
            raise EngineError(
                f"{host_of(url)}: the certificate is not trusted ({_words(error)})",
                hint="Check the address and the clock; SSL_CERT_FILE names the certificates of a company's proxy.",
                code="bad_certificate",
            ) from None
        raise NetworkError(f"{host_of(url)}: the connection failed ({_words(error)})", hint=_OFFLINE) from None


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
