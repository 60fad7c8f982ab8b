"""HTML elements as values: text is escaped on the way in, so that no model name can break a page."""

import html
import re
from collections.abc import Iterable

_VOID = frozenset({"meta", "link", "br", "input", "rect", "line", "path"})
# Control characters, lone surrogates (which cannot be written as UTF-8) and the bidirectional overrides that
# make a text read as another one.
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """*text* as HTML; what a page cannot show becomes U+FFFD. Markup is left as it is."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_UNSAFE.sub("\ufffd", text)))


def join(parts: Iterable[str], between: str = "") -> Markup:
    """*parts* one after the other, each escaped."""
    return Markup(escape(between).join(escape(part) for part in parts))


def tag(name: str, /, *children: str, **attributes: str | None) -> Markup:
    """An element; ``class_`` stands for ``class``, ``data_what`` for ``data-what``; ``None`` is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")
