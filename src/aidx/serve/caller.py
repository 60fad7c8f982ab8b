"""Who sent a request: what it says, and the way back."""

from typing import Protocol

from aidx.errors import InputError
from aidx.serve.answer import Answer, Headers
from aidx.serve.strict import MAX_BODY

ENCODED = frozenset({b"content-encoding", b"transfer-encoding"})


class Caller(Protocol):
    """One request as the listener hands it over, and the way back to who sent it.

    Names of *headers* are in lower case, *path* is decoded and without its query. Who leaves is *gone*: the task
    that answers is cancelled then, and what it still writes goes nowhere.
    """

    @property
    def method(self) -> str:
        """``GET``, …."""
        ...

    @property
    def path(self) -> str:
        """What is asked for."""
        ...

    @property
    def headers(self) -> Headers:
        """As they came."""
        ...

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more."""
        ...

    async def body(self) -> bytes:
        """The body, waiting for it; raises ``InputError`` when it is too large or ends too early."""
        ...

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """A complete answer."""
        ...

    def begin(self, status: int, headers: Headers) -> None:
        """The head of an answer whose length is not known yet; it may wait for the first piece."""
        ...

    def write(self, data: bytes, *, more: bool = True) -> None:
        """A piece of that answer, or the *last* one; an empty one sends what waits."""
        ...

    async def drain(self) -> None:
        """Wait while the other side takes nothing."""
        ...


class Reply:
    """The way back to the client; knows what has begun. *extra* headers stand in whatever is answered."""

    __slots__ = ("_caller", "extra", "status")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.status = 0
        self.extra: Headers = []

    @property
    def started(self) -> bool:
        """Whether the answer has begun."""
        return self.status != 0

    def begin(self, status: int, headers: Headers) -> None:
        """Status and headers, *extra* ones with them."""
        self.status = status
        self._caller.begin(status, [*headers, *self.extra] if self.extra else headers)

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """A piece of the body; waits while the client is slow."""
        self._caller.write(data, more=more)
        await self._caller.drain()

    def whole(self, answer: Answer) -> None:
        """All of it."""
        status, headers, body = answer
        self.status = status
        self._caller.whole(status, [*headers, *self.extra] if self.extra else headers, body)


def check_head(headers: Headers) -> None:
    """Raise ``InputError`` for a body that is not worth waiting for: encoded, or too large by its own account."""
    named = dict(headers)
    if not ENCODED.isdisjoint(named) and any(map(_encoded, headers)):
        raise InputError("an encoded body is not read", code="unsupported_encoding", hint="Send plain JSON.")
    if int(named.get(b"content-length", 0)) > MAX_BODY:  # it comes once, or llhttp refuses it
        raise too_large()


def _encoded(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return value != b"identity" if name == b"content-encoding" else name in ENCODED and value.lower() != b"chunked"


def too_large() -> InputError:
    """The refusal of a body."""
    return InputError(f"the body has more than {MAX_BODY} bytes", code="body_too_large")


def not_whole() -> InputError:
    """The refusal of a body whose sender left."""
    return InputError("the body did not come whole", code="body_incomplete")


def too_many() -> InputError:
    """The refusal of a body for which there is no room beside the others."""
    return InputError("the bodies of all requests are too large together", code="too_many_connections")
