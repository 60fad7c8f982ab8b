"""What the page at ``/`` shows, gathered from what is served; and what a browser may do with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from aidx.budget.ledger import Account, Entry
from aidx.page.endpoint import REFRESH, Served, View, locked, render
from aidx.page.parts import policy
from aidx.serve.answer import Answer
from aidx.serve.exchange import Offered
from aidx.serve.service import Service

HTML = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", f"{policy(REFRESH)}; frame-ancestors 'none'".encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def page(text: str) -> Answer:
    """*text* as a browser gets it."""
    body = text.encode()
    return Answer(200, [*HTML, (b"content-length", b"%d" % len(body))], body)


def closed(host: bytes) -> Answer:
    """The page for who has not given the key."""
    return page(locked(_url(host)))


def shown(
    host: bytes, plan: Mapping[str, Any], services: Sequence[Service], patterns: Sequence[Offered], *, keyed: bool
) -> Answer:
    """The page; *plan* is the contract's object, *host* what the client calls us."""
    view = View(
        url=_url(host),
        devices=tuple(_account(device) for device in plan.get("devices", ())),
        served=tuple(map(_served, services)),
        plan_hash=str(plan.get("plan_hash", "")),
        also=[pattern.names[0] for pattern in patterns],
        keyed=keyed,
    )
    return page(render(view))


def _served(service: Service) -> Served:
    gate = service.gate
    limits, now = gate.limits, gate.reserved
    waits = "loading" if gate.pool.wake is None else "asleep"
    return Served(
        role=service.role,
        model=service.model,
        state="ready" if gate.open else waits,
        context=limits.n_ctx_seq,
        gate=limits.gate,
        output=limits.max_tokens,
        cells=0 if service.shares else limits.n_ctx,
        reserved=0 if service.shares else now.cells,
        running=0 if service.shares else now.requests,
        slots=limits.slots,
        queued=0 if service.shares else now.queued,
        leaves=service.leaves,
    )


def _account(device: Mapping[str, Any]) -> Account:
    entries = tuple(
        Entry(entry["what"], entry["bytes"], entry["why"], entry["grade"], entry["role"]) for entry in device["entries"]
    )
    return Account(device["name"], device["kind"], device["total_bytes"], entries)


def _url(host: bytes) -> str:
    return f"http://{host.decode('latin-1')}"
