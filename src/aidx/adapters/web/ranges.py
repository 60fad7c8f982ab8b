"""One file on the net, read in pieces: the same file from the first byte to the last, or an error.

A server may lie about ranges, change the file between two of them, drop the connection or send everything
when a piece was asked for. Each answer is held against what was asked and what was said before.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from aidx.adapters.web.client import Answer, Deadline, NetworkError, Web, host_of, origin_of
from aidx.errors import AidxError, EngineError, InputError

TRIES: Final = 4
LEAST: Final = 1 << 14  # bytes: a connection that breaks after fewer counts as one that brought nothing
"""How often in a row a read may break without a new byte."""

_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})\Z", re.ASCII)
_LIES: Final = "Try another mirror, or download the file with your browser and give its path."


class Part(NamedTuple):
    """What an answer says that it holds: the bytes from *start* up to *stop* of *total*."""

    start: int
    stop: int
    total: int


def part_of(status: int, headers: Mapping[str, str], start: int, stop: int | None) -> Part:
    """What an answer to ``Range: bytes=start-(stop-1)`` holds (*stop* ``None``: to the end).

    200 is the whole file, from its first byte. Raises ``EngineError`` for an answer that cannot be true.
    """
    if headers.get("content-encoding", "identity") != "identity":
        raise _lie("packs a file that was asked for as it is")
    length = _length(headers)
    if status == 200:
        if length is None:
            raise _lie("does not say how large the file is")
        return Part(0, length, length)
    said = headers.get("content-range", "")
    match = _RANGE.match(said)
    if match is None:
        raise _lie(f"answers with a part and says {said[:60]!r} about which")
    part = Part(int(match[1]), int(match[2]) + 1, int(match[3]))
    if part.start != start or (stop is not None and part.stop > stop):
        raise _lie(f"was asked for bytes {start} to {'the end' if stop is None else stop - 1} and sends {said[:60]!r}")
    if not part.start < part.stop <= part.total:
        raise _lie(f"sends {said[:60]!r}, which is no part of a file")
    if length is not None and length != part.stop - part.start:
        raise _lie(f"sends {length} bytes as {said[:60]!r}")
    return part


class RemoteFile:
    """The file at *url*, called *name* in messages; *size* is what somebody else says of it, if anybody.

    ``size`` is known after the first bytes. Credentials in *secret* go to the origin of *url* alone.
    *refused* makes the error for a status such as 404.
    """

    def __init__(
        self,
        web: Web,
        url: str,
        *,
        name: str,
        size: int | None = None,
        secret: Mapping[str, str] | None = None,
        refused: Callable[[Answer, str], AidxError] | None = None,
    ) -> None:
        self.size = size
        self._name = name
        self._web = web
        self._url = url
        self._at = url  # where redirects led: later parts are asked for there, while it answers
        self._secret = secret or {}
        self._refused = refused or refusal
        self._etag: str | None = None
        self._seen = False

    def read(self, start: int, stop: int | None = None, *, deadline: Deadline | None = None) -> Iterator[bytes]:
        """The bytes from *start* up to *stop* (or the end), resumed where the connection breaks.

        A server without ranges sends everything, and so this goes on past *stop* until the caller leaves.
        Raises ``NetworkError`` after several breaks with hardly a new byte, ``EngineError`` for a server that lies and
        for a file that changed, and what *refused* makes of other answers.
        """
        at, failures = start, 0
        while stop is None or at < stop:
            if self.size is not None and at >= self.size:
                return
            before = at
            try:
                for data in self._once(at, stop, deadline):
                    yield data
                    at += len(data)
                failures = 0
            except NetworkError:
                failures = 1 if at - before >= LEAST else failures + 1
                if failures >= TRIES:
                    raise
                self._web.pause(2.0 ** (failures - 2))

    def _once(self, start: int, stop: int | None, deadline: Deadline | None) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        if self._etag is not None and not self._etag.startswith("W/"):
            headers["If-Range"] = self._etag  # a weak tag would always bring the whole file
        secret = self._secret if origin_of(self._at) == origin_of(self._url) else None
        with self._web.get(self._at, headers, secret=secret) as answer:
            self._judge(answer)
            part = part_of(answer.status, answer.headers, start, stop)
            self._same(answer, part.total)
            self._at = answer.url
            yield from self._body(answer, part, start - part.start, deadline)

    def _body(self, answer: Answer, part: Part, skip: int, deadline: Deadline | None) -> Iterator[bytes]:
        left = part.stop - part.start
        for data in answer.chunks():
            if deadline is not None:
                deadline.check(self._name)
            left -= len(data)
            if left < 0:
                raise _lie("sends more bytes than it announced")
            kept = data[skip:]
            skip = max(skip - len(data), 0)
            if kept:
                yield kept
        if left:
            raise NetworkError(f"{self._name}: {left:,} bytes of an answer are missing", hint="Try again.")

    def _judge(self, answer: Answer) -> None:
        """Pass 200 and 206; a signed address that ran out is left for the first one."""
        if answer.status in (200, 206):
            return
        if answer.status >= 500:
            raise NetworkError(f"{self._name}: {host_of(answer.url)} answers {answer.status}", hint="Try again later.")
        if self._at != self._url and answer.status in (401, 403, 404, 410):
            self._at = self._url
            raise NetworkError(f"{self._name}: {host_of(answer.url)} answers {answer.status}", hint="Try again.")
        raise self._refused(answer, self._name)

    def _same(self, answer: Answer, total: int) -> None:
        """Refuse a file that is another one than before, or than the hub described."""
        etag = answer.headers.get("etag", self._etag)
        if self._seen and (total != self.size or (self._etag is not None and etag != self._etag)):
            raise EngineError(
                f"{self._name} changed while it was read", hint="Run the command again.", code="file_changed"
            )
        if self.size is not None and total != self.size:
            raise EngineError(
                f"{self._name} has {total:,} bytes, {self.size:,} were announced", hint=_LIES, code="wrong_size"
            )
        self.size, self._etag, self._seen = total, etag, True


def refusal(answer: Answer, name: str) -> AidxError:
    """The error behind an answer that is neither the file nor a redirect."""
    host = host_of(answer.url)
    if answer.status in (404, 410):
        return InputError(f"{name}: {host} has no such file ({answer.status})", hint="Check the address.")
    if answer.status in (401, 403):
        return EngineError(
            f"{name}: {host} refuses access ({answer.status})", hint="Check your rights.", code="no_access"
        )
    if answer.status == 416:
        hint = "Run the command again; where this stays, the server has another file than it lists."
        return EngineError(f"{name}: {host} has no such part of it (416)", hint=hint, code="wrong_size")
    if answer.status == 429:
        wait = answer.headers.get("retry-after", "")
        after = f"in {wait} s" if wait.isdigit() else "later"
        return EngineError(f"{name}: {host} asks for patience (429)", hint=f"Try again {after}.", code="rate_limited")
    return EngineError(f"{name}: {host} answers {answer.status}", hint="Try again later.", code="network_failed")


def _length(headers: Mapping[str, str]) -> int | None:
    said = headers.get("content-length")
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) <= 18):
        raise _lie(f"gives {said[:40]!r} as a length")
    return int(said)


def _lie(what: str) -> EngineError:
    return EngineError(f"the server {what}", hint=_LIES, code="bad_server")
