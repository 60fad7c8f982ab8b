"""Programs that edit by themselves, each behind a gateway of its own."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aidx.ports.programs import Program

if TYPE_CHECKING:
    from aidx.pipeline.run.held import Trust
    from aidx.wiring.engines import Filled

Note = Callable[[Mapping[str, Any]], object]


def check_aider() -> None:
    """``EngineError`` where aider is not installed."""
    from aidx.adapters.aider import program

    program()


@contextmanager
def aider(root: str, filled: "Filled", note: Note, tell: Callable[[str], None], trust: "Trust") -> Iterator[Program]:
    """aider, editing files of the tree at *root*, with the model of *filled* behind our gateway.

    The model is started and stopped with the block; *note* is handed a line about each request, *tell* what happens
    to the model. Both are called in another thread. What it sends is held to the gate as far as *trust* goes.
    """
    from aidx.adapters.aider import Aider, Model
    from aidx.pipeline.run.held import HeldDeployment
    from aidx.serve.run import Listen, Offer, Process
    from aidx.serve.run.beside import beside

    key = secrets.token_urlsafe(24)
    start = lambda: HeldDeployment(filled.start(), trust, filled.own)  # noqa: E731 - a function of nothing
    process = Process(filled.role, start, filled.cell_bytes)
    offer = Offer(filled.role, filled.model, filled.limits, process)
    with beside(offer, {}, Listen("127.0.0.1", 0, key), tell=tell, log=note) as address:
        limits = filled.limits
        yield Aider(root, Model(filled.role, address, key, limits.n_ctx_seq, limits.max_tokens))
