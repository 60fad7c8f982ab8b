"""Parts that several pages share: the document, a device, a table, a list of terms."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from aidx import __version__
from aidx.budget.ledger import Account, What
from aidx.budget.sizes import gib
from aidx.page.figures import grouped
from aidx.page.groups import GRADES, LABELS
from aidx.page.markup import Markup, escape, join, tag
from aidx.page.picture import draw, order
from aidx.page.style import CSS

# Nothing may be fetched, whatever a model's metadata says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def policy(script: str = "") -> str:
    """What a browser may do with a page: nothing but show it; *script* may run and ask its own server."""
    if not script:
        return _POLICY
    told = b64encode(sha256(script.encode()).digest()).decode()
    return f"{_POLICY}; script-src 'sha256-{told}'; connect-src 'self'"


def document(title: str, *content: str, script: str = "") -> str:
    """A whole page that stands alone: no request leaves it and it runs no script, or *script* alone."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"aidx {__version__}"),
        tag("title", title),
        tag("style", Markup(CSS)),
    )
    body = tag("body", tag("main", *content), tag("script", Markup(script)) if script else "")
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def device(account: Account, key: str) -> Markup:
    """One device: its bar, its legend and the table of its entries; *key* names it on the page."""
    kind = "GPU" if account.kind == "gpu" else "Host memory"
    heading = tag("h3", account.name, tag("span", f" · {kind}", class_="soft"))
    return tag("section", heading, figure(account, key), _entries(account))


def figure(account: Account, key: str, labels: Mapping[What, str] = LABELS, scale: int = 0) -> Markup:
    """The bar of a device with its legend; *labels* name the kinds of entry."""
    return tag("figure", draw(account, key, labels, scale), _legend(account, labels))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, numbers: Sequence[int] = ()) -> Markup:
    """A table with *caption*; the columns in *numbers* (from 0) are aligned to the right."""
    columns = ["number" if place in numbers else None for place in range(len(head))]
    return _framed(
        caption,
        _row("th", head, columns, scope="col"),
        [_row("td", row, columns) for row in rows],
    )


def terms(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A list of names and what they stand for."""
    return tag("dl", *(join((tag("dt", name), tag("dd", value))) for name, value in pairs))


def foot(*lines: str) -> Markup:
    """The foot of a page; says what made it and what the grades mean."""
    grades = "; ".join(f"{grade}: {meaning}" for grade, meaning in GRADES.items())
    return tag(
        "footer",
        *(tag("p", line) for line in lines),
        tag("p", f"Grades. {grades}."),
        tag("p", f"GiB is 2^30 bytes. Written by aidx {__version__}."),
    )


def _legend(account: Account, labels: Mapping[What, str]) -> Markup:
    items = [_key(entry.what, labels[entry.what], entry.bytes) for entry in order(account)]
    if account.headroom > 0:
        items.append(_key("headroom", "Headroom", account.headroom))
    return tag("ul", *items, class_="legend", aria_hidden="true")


def _key(kind: str, label: str, size: int) -> Markup:
    square = tag("svg", tag("rect", width="100%", height="100%", class_=kind))
    return tag("li", square, f"{label} {gib(size)}")


def _entries(account: Account) -> Markup:
    roles = any(entry.role for entry in account.entries)
    classes = (None, "number", "number", None, None, None)
    head = _cells("What", "Size", "Bytes", "Grade", "Why", "Role", roles=roles)
    rows = [
        _cells(
            LABELS[entry.what],
            gib(entry.bytes),
            grouped(entry.bytes),
            entry.grade,
            entry.why,
            entry.role or "",
            roles=roles,
        )
        for entry in account.entries
    ]
    sums = (
        ("Planned", account.planned, "all entries except used by others and kept back"),
        ("Usable", account.usable, f"of {gib(account.total)} in total"),
        ("Headroom", account.headroom, "" if account.headroom >= 0 else "over the limit"),
    )
    return _framed(
        f"Ledger of {account.name}",
        _row("th", head, classes, scope="col"),
        [_row("td", row, classes) for row in rows],
        [
            _row("td", _cells(name, gib(size), grouped(size), "", why, "", roles=roles), classes)
            for name, size, why in sums
        ],
    )


def _cells(*cells: str, roles: bool) -> tuple[str, ...]:
    """A row; its last cell, the role, only where entries have roles."""
    return cells if roles else cells[:-1]


def _framed(caption: str, head: Markup, rows: Sequence[Markup], total: Sequence[Markup] = ()) -> Markup:
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", head),
            tag("tbody", *rows),
            tag("tfoot", *total) if total else "",
        ),
        class_="scroll",
    )


def _row(cell: str, values: Sequence[str], classes: Sequence[str | None], *, scope: str | None = None) -> Markup:
    pairs = zip(values, classes, strict=False)
    return tag("tr", *(tag(cell, escape(value), class_=kind, scope=scope) for value, kind in pairs))
