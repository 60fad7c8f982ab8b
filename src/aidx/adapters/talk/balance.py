"""Which of several nodes a request goes to: decided from what is known of them, and nothing that must be remembered.

A conversation sends all of its past each time, and the node that has it in its cache need not read it again: each
beginning of a conversation has a node of its own by rendezvous hashing, on which balancers agree without speaking to
each other, and of which little changes when a node comes or goes. It is left for a node with more free KV cells only
where it has too few.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

BEGINNING = 1024  # characters by which conversations are told apart


class Node(Struct):
    """One node: *cells* of KV cache that its plan allows, *taken* when it was last asked, and *sent* since then.

    *gone* is how often it was seen to be away: it may come back with another model.
    """

    name: str
    cells: int = 0
    taken: int = 0
    sent: int = 0
    gone: int = 0
    up: bool = True

    @property
    def free(self) -> int:
        """Cells that it should still have."""
        return self.cells - self.taken - self.sent

    def lost(self) -> None:
        """It does not answer."""
        self.up = False
        self.gone += 1


def order(nodes: Sequence[Node], beginning: bytes, wanted: int) -> list[Node]:
    """The nodes that are up, in the order in which a request for *wanted* cells tries them."""
    able = [node for node in nodes if node.up]
    if not able:
        return []
    own = max(able, key=lambda node: _weight(node.name, beginning))
    rest = sorted((node for node in able if node is not own), key=lambda node: -node.free)
    if own.free >= wanted or not rest or own.free >= rest[0].free:
        return [own, *rest]
    return sorted(able, key=lambda node: -node.free)


def beginning(request: dict[str, Any]) -> bytes:
    """What tells the conversation of *request* from others: what it starts with, up to the first question."""
    messages = request.get("messages")
    if not isinstance(messages, list):
        return json.dumps(request.get("prompt") or request.get("input") or "")[:BEGINNING].encode()
    text = ""
    for message in messages:
        text += json.dumps(message)[:BEGINNING]
        if len(text) >= BEGINNING or (isinstance(message, dict) and message.get("role") == "user"):
            break
    return text[:BEGINNING].encode()


def cells_of(plan: Any) -> tuple[int, int]:  # noqa: ANN401 - JSON
    """Cells that a node's ``/plan`` allows, and those that are reserved."""
    roles = plan["plan"]["roles"]
    return sum(int(role["settings"]["n_ctx"]) for role in roles), int(plan["reserved"]["tokens"])


def _weight(name: str, text: bytes) -> bytes:
    return hashlib.blake2b(name.encode() + b"\0" + text, digest_size=8).digest()
