"""A ledger as a stacked bar for a terminal: one picture line, its legend, and what is left."""

from collections.abc import Mapping, Sequence

from aidx.budget.ledger import Account
from aidx.budget.sizes import gib
from aidx.page.groups import Group, Part, parts
from aidx.page.picture import extent

GLYPHS: Mapping[Group, str] = {"in use": "╱", "weights": "█", "kv": "▓", "compute": "▒", "overhead": "░"}
ASCII: Mapping[Group, str] = {"in use": "/", "weights": "#", "kv": "=", "compute": "+", "overhead": "-"}


def bar(account: Account, width: int = 64, *, plain: bool = False, scale: int = 0) -> str:
    """The bytes of *account* over *width* cells, then ``|`` at its limit; what is over stands behind it.

    *plain* uses ASCII characters, for terminals that have no others. Bars of one *scale*, in bytes, can be
    compared; they are shorter than *width* where it is more than the account's extent.
    """
    glyphs, free = (ASCII, ".") if plain else (GLYPHS, "·")
    stacked = parts(account)
    scale = max(extent(account), scale, 1)
    filled = _fill(stacked, glyphs, scale, width)
    limit = account.total * width // scale
    return filled[:limit].ljust(limit, free) + "|" + filled[limit:]


def legend(account: Account, *, plain: bool = False) -> str:
    """What each character of the bar stands for, with its size."""
    glyphs = ASCII if plain else GLYPHS
    return "  ".join(f"{glyphs[part.group]} {_name(account, part)} {gib(part.bytes)}" for part in parts(account))


def _name(account: Account, part: Part) -> str:
    """The group's name; ``state`` where a conversation keeps state alone, ``kept back`` for what nobody uses."""
    if part.group == "in use" and account.sum("reserve"):
        return "in use and kept back" if account.sum("desktop") else "kept back"
    keeps_kv = account.sum("kv_cache") or account.sum("prompt_cache")
    return "state" if part.group == "kv" and not keeps_kv else part.group


def balance(account: Account) -> str:
    """``10.62 GiB of 12.00 GiB, 1.38 GiB free``; a plan that does not hold says how much it is over."""
    left = account.headroom
    state = f"{gib(left)} free" if left >= 0 else f"{gib(-left)} over"
    return f"{gib(account.planned)} of {gib(account.usable)}, {state}"


def _fill(stacked: Sequence[Part], glyphs: Mapping[Group, str], scale: int, width: int) -> str:
    """The used cells: borders are rounded, not sizes, so that cells never sum to more than the bar."""
    cells = ""
    upto = 0
    for part in stacked:
        upto += part.bytes
        border = (2 * upto * width + scale) // (2 * scale)
        cells += glyphs[part.group] * (border - len(cells))
    return cells
