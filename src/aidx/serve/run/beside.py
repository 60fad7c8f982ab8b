"""The endpoint beside something else: in a thread of its own, for as long as a block runs."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from aidx.gate.drive import Gate
from aidx.serve.app import App, Log
from aidx.serve.door import Door
from aidx.serve.run.bug import telling
from aidx.serve.run.keep import Keepers, Offer, Say
from aidx.serve.run.listen import Listen, address, bound, listening
from aidx.serve.service import Service


@contextmanager
def beside(offer: Offer, plan: Mapping[str, Any], listen: Listen, *, tell: Say, log: Log) -> Iterator[str]:
    """Serve *offer* and hand out the address once it answers; both are down when the block is left.

    *tell* and *log*, as in ``serve``, are called in the other thread. Raises as ``serve`` does.
    """
    ready, over = threading.Event(), threading.Event()
    with bound(listen) as on:

        async def serve() -> None:
            gate = Gate(offer.limits, asyncio.get_running_loop().time, tell=tell)
            process = offer.process
            service = Service(offer.role, offer.model, gate, process.cell_bytes, memory=process.memory)
            app = App([service], plan, Door(listen.host, listen.key), log=log, tell_bug=telling(tell, verbose=False))
            async with Keepers(tell, app.restarted) as keepers, listening(app, on):
                await keepers.keep(offer.process, gate)
                ready.set()
                await asyncio.to_thread(over.wait)

        with ThreadPoolExecutor(1, "aidx-endpoint") as thread:
            serving = thread.submit(lambda: asyncio.run(serve()))
            serving.add_done_callback(lambda _: ready.set())
            ready.wait()
            if serving.done():
                serving.result()  # it can only have failed
            try:
                yield address(on)
            finally:
                over.set()
                serving.result()
