"""Texts become vectors through the gate, for a caller without an event loop."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence

from aidx.errors import InputError
from aidx.gate.admit import Limits, RefusedError
from aidx.gate.drive import Gate
from aidx.gate.prompt import Prompt
from aidx.ports.engine import Deployment
from aidx.ports.retrieval import TextRefusedError, vectors_in

AT_ONCE = 16  # texts of one request; halved for good where so many are over the gate


class GateEmbedder:
    """The model called *name*; it is started when it is first asked. *clock* gives seconds.

    See ``retrieval.Embedder``.
    """

    def __init__(self, name: str, start: Callable[[], Deployment], limits: Limits, clock: Callable[[], float]) -> None:
        self.name = name
        self._start = start
        self._limits = limits
        self._clock = clock
        self._at_once = AT_ONCE
        self._loop = asyncio.Runner()
        self._deployment: Deployment | None = None
        self._gate: Gate | None = None

    def embed(self, texts: Iterable[str]) -> tuple[tuple[float, ...], ...]:
        """See ``retrieval.Embedder``."""
        waiting, done = list(texts), list[tuple[float, ...]]()
        if waiting and self._deployment is None:
            self._deployment = self._start()
        while waiting:
            some = waiting[: self._at_once]
            try:
                done += self._loop.run(self._asked(some))
            except (RefusedError, InputError) as refused:
                if len(some) == 1:
                    raise TextRefusedError(str(refused), hint=refused.hint, done=tuple(done)) from None
                self._at_once = (len(some) + 1) // 2
                continue
            waiting = waiting[len(some) :]
        return tuple(done)

    def close(self) -> None:
        """Stop the model, if it was started."""
        if self._gate is not None:
            self._gate.detach()
        if self._deployment is not None:
            self._deployment.stop()
        self._loop.close()

    async def _asked(self, texts: Sequence[str]) -> tuple[tuple[float, ...], ...]:
        assert self._deployment is not None
        if self._gate is None:
            self._gate = Gate(self._limits, self._clock)
            self._gate.attach(self._deployment.chat())
        fields = json.dumps({"input": list(texts), "encoding_format": "float"}).encode()[1:-1]
        prompt = Prompt((), tuple(texts), fields, kind="embedding")
        async with await self._gate.admit(prompt) as grant:
            return vectors_in(b"".join([chunk async for chunk in grant]), len(texts))
