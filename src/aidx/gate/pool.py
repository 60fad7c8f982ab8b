"""What stands behind the gates of all roles that one process answers for."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct, field

from aidx.gate.admit import Admission, Admitted
from aidx.gate.count import Counter
from aidx.gate.forecast import Running, Speed
from aidx.ports.chat import Chat
from aidx.ports.engine import Allocated


class Pool(Struct, eq=False):
    """One model with its cells and slots: roles that share the process share them, and wait in one queue.

    *expected* is when a model should be there, by the gate's clock, and *why* there is none; *running* tells of each
    request what it holds.
    *counting* are the requests that are counted to be admitted, *sizing* those that want a count and no answer.
    *allocated* is the engine's own account of its buffers, while there is one.
    Where models take turns, *wake* waits until this one is loaded, and *quiet* is told when nobody may need it.
    """

    admission: Admission
    counter: Counter
    speed: Speed = field(default_factory=Speed)
    hung: asyncio.Event = field(default_factory=asyncio.Event)
    chat: Chat | None = None
    tools: bool | None = None
    allocated: Allocated | None = None
    expected: float = 0.0
    why: str = ""
    counting: int = 0
    sizing: int = 0
    waiting: dict[object, asyncio.Future[Admitted]] = field(default_factory=dict)
    running: dict[object, Callable[[], Running]] = field(default_factory=dict)
    wake: Callable[[], Awaitable[None]] | None = None
    arriving: int = 0
    quiet: Callable[[], object] = bool

    @property
    def idle(self) -> bool:
        """Whether nobody runs, waits or is counted."""
        return not (self.running or self.waiting or self.counting or self.sizing)
