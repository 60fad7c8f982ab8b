"""A fingerprint: what a reference thinks of each scored token, small enough to be published beside a model.

The 64 likeliest next tokens with their log-probabilities, what all others have together, 8 of these others, and the
negative log-likelihood of the token that came: 440 bytes a token instead of four for each entry of the vocabulary.

Merging the others into one can only lower a Kullback-Leibler divergence (the data-processing inequality), so that the
64 and the rest give a lower bound, apart from the rounding to half precision. What the bound lacks is the divergence
among the others, and that is estimated from the 8, drawn as likely as the reference takes them for: the mean of
r - 1 - ln r, with r how much likelier the measured model takes one than the reference, both among the others alone.
Its expectation is that divergence, since the mean of r is one; and it is never negative and hardly scatters, where the
plain mean of -ln r would (J. Schulman, Approximating KL divergence, 2020).

File: ``AIDXFP2`` and a newline; the length of a JSON object (u32) and the object; the tokens of all windows (i32); for
each scored token 64 ids (u32), 64 log-probabilities (f16), 8 ids (u32), 8 log-probabilities (f16), tail mass and nll
(f32). Little-endian.
"""

import json
import struct
from collections.abc import Sequence
from math import exp, log
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from aidx.budget.divergence import Scored, Top, first_scored
from aidx.errors import InputError

MAGIC: Final = b"AIDXFP2\n"
TOP: Final = 64
DRAWN: Final = 8
_ROW: Final = struct.Struct(f"<{TOP}I{TOP}e{DRAWN}I{DRAWN}e2f")
_NOTHING: Final = -60_000.0  # the log-probability of what is not there
_LENGTH: Final = struct.Struct("<I")
_LEAST: Final = 1e-9  # mass below which a tail is rounding
_MOST_ABOUT: Final = 1 << 20
_MOST_TOKENS: Final = 1 << 24
_HINT: Final = "Make it again with aidx loss MODEL --save-fingerprint FILE."


class About(Struct, frozen=True):
    """What the fingerprint is of: the file of the reference, the text, and how it was cut."""

    model: str
    sha256: str
    text_sha256: str
    vocabulary: int
    window: int
    windows: int


class Row(NamedTuple):
    """What the reference thinks before one token: likeliest first, then some of the *tail*, drawn by chance."""

    ids: tuple[int, ...]
    shares: tuple[float, ...]
    drawn: tuple[int, ...]
    drawn_shares: tuple[float, ...]
    tail: float
    nll: float


class Fingerprint(Struct, frozen=True):
    """*windows* of tokens, and a row for each scored token in their order."""

    about: About
    windows: tuple[tuple[int, ...], ...]
    rows: tuple[Row, ...]


def row(of: Top) -> Row:
    """The row of one token; where there are fewer than 64, or no others, it is filled up with nothing."""
    likeliest = _filled(of.ids, of.shares, TOP)
    return Row(*likeliest, *_filled(of.drawn, of.drawn_shares, DRAWN), _tail(of.shares), of.nll)


def _filled(ids: Sequence[int], shares: Sequence[float], count: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    missing = count - len(ids)
    return (*ids, *(0,) * missing), (*shares, *(_NOTHING,) * missing)


def _tail(log_shares: Sequence[float]) -> float:
    return max(1.0 - sum(map(exp, log_shares)), 0.0)


def render(of: Fingerprint) -> bytes:
    """The bytes of the file."""
    about = json.dumps(asdict(of.about)).encode()
    tokens = [token for window in of.windows for token in window]
    head = MAGIC + _LENGTH.pack(len(about)) + about + struct.pack(f"<{len(tokens)}i", *tokens)
    return head + b"".join(_ROW.pack(*_values(each)) for each in of.rows)


def _values(of: Row) -> tuple[float, ...]:
    return (*of.ids, *of.shares, *of.drawn, *of.drawn_shares, of.tail, of.nll)


def parse(raw: bytes) -> Fingerprint:
    """The fingerprint in *raw*; ``InputError`` for what is none, or was cut off."""
    if not raw.startswith(MAGIC) or len(raw) < len(MAGIC) + _LENGTH.size:
        raise InputError("not a fingerprint", hint=_HINT)
    (size,) = _LENGTH.unpack_from(raw, len(MAGIC))
    start = len(MAGIC) + _LENGTH.size
    if size > _MOST_ABOUT or start + size > len(raw):
        raise InputError("a fingerprint that was cut off", hint=_HINT)
    about = _about(raw[start : start + size])
    place = start + size
    count = about.window * about.windows
    scored = about.windows * (about.window - 1 - first_scored(about.window))
    if len(raw) != place + 4 * count + _ROW.size * scored:
        raise InputError(f"a fingerprint of {len(raw)} bytes, and its head says otherwise: it was cut off", hint=_HINT)
    tokens = struct.unpack_from(f"<{count}i", raw, place)
    cut = tuple(tokens[first : first + about.window] for first in range(0, count, about.window))
    rows = tuple(_row(values) for values in _ROW.iter_unpack(raw[place + 4 * count :]))
    named = (token for each in rows for token in (*each.ids, *each.drawn))
    if any(not 0 <= token < about.vocabulary for token in (*tokens, *named)):
        raise InputError("a fingerprint with tokens that are not in its vocabulary", hint=_HINT)
    return Fingerprint(about, cut, rows)


def _about(raw: bytes) -> About:
    kinds = {"model": str, "sha256": str, "text_sha256": str, "vocabulary": int, "window": int, "windows": int}
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        raise InputError("a fingerprint whose head cannot be read", hint=_HINT)
    if any(type(found[key]) is not kind for key, kind in kinds.items()):
        raise InputError("a fingerprint whose head has values of other kinds", hint=_HINT)
    about = About(**found)
    if about.window < 4 or about.windows < 1 or not 0 < about.window * about.windows <= _MOST_TOKENS:
        raise InputError(f"a fingerprint of {about.windows} windows of {about.window} tokens", hint=_HINT)
    return about


def _row(values: tuple[float, ...]) -> Row:
    likeliest, others = values[: 2 * TOP], values[2 * TOP : -2]
    ids = (tuple(int(token) for token in part) for part in (likeliest[:TOP], others[:DRAWN]))
    return Row(next(ids), likeliest[TOP:], next(ids), others[DRAWN:], values[-2], values[-1])


def compared(reference: Row, nll: float, best: int, log_shares: Sequence[float]) -> Scored:
    """One token of the measured model against its row.

    *log_shares* are its log-probabilities of the row's ids, the likeliest first, then those that were drawn.
    """
    theirs = [exp(share) for share in reference.shares]
    whole = sum(theirs) + reference.tail  # rounding to half precision left it near one
    bound = sum(
        share / whole * (log_share - log(whole) - mine)
        for share, log_share, mine in zip(theirs, reference.shares, log_shares[:TOP], strict=True)
        if share > 0.0
    )
    among, tail, rest = 0.0, reference.tail / whole, _tail(log_shares[:TOP])
    if tail > _LEAST:
        bound += tail * (log(tail) - log(max(rest, _LEAST)))
        among = tail * _among(reference, log_shares[TOP:], max(rest, _LEAST))
    return Scored(nll, reference.nll, bound + among, best == reference.ids[0], bound)


def _among(reference: Row, log_shares: Sequence[float], rest: float) -> float:
    """The divergence among the others, which the measured model gives *rest* together; 0 where none was drawn."""
    gaps = [
        mine - log(rest) - (theirs - log(reference.tail))
        for mine, theirs in zip(log_shares, reference.drawn_shares, strict=True)
        if theirs > _NOTHING
    ]
    return sum(exp(gap) - 1.0 - gap for gap in gaps) / len(gaps) if gaps else 0.0
