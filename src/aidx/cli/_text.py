"""Text for a person: from files and command lines, made safe to print; folded to a terminal."""

from textwrap import wrap
from typing import Final

_NARROWEST: Final = 20
"""Columns for words, whatever the terminal has: one that has fewer breaks lines itself."""


def printable(text: str) -> str:
    """*text* on one line: white space folded, control and direction characters as escapes."""
    return safe(" ".join(text.split()))


def safe(line: str) -> str:
    """*line* with control and direction characters, line ends too, as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


def folded(text: str, width: int, *, head: str = "", indent: str = "") -> list[str]:
    """*text* in lines of *width* columns, never fewer for the words than can be read.

    *head* stands before the first line, *indent* before the others.
    """
    width = max(width, _NARROWEST + max(len(head), len(indent)))
    return wrap(text, width, initial_indent=head, subsequent_indent=indent)
