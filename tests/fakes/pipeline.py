"""A pipeline with scripted models on a real tree, for tests of what it does to that tree."""

import sys
from contextlib import closing

from aidx.adapters.checks import ProcessChecker
from aidx.adapters.git import Git
from aidx.adapters.workspace.held import HeldWorkspace
from aidx.adapters.workspace.records import RunRecords
from aidx.budget.settings import Settings
from aidx.gate.admit import limits
from aidx.pipeline.flow import Order, pipeline
from aidx.pipeline.run import Seat, World, drive
from aidx.ports.engine import Launch
from tests.fakes.scripted import ScriptedDeployment

CELL = 10  # bytes of cache that the fake engine says a token takes


def seat(script, *, ctx_size=8192, max_kv=None, gate=None):
    """A role that *script* fills."""
    settings = Settings(ctx_size=ctx_size)
    return lambda: Seat(
        model="scripted",
        limits=limits(settings, ctx_size, gate=gate),
        start=lambda: ScriptedDeployment(Launch(__file__, "scripted", settings), script),
        cell_bytes=CELL,
        kv_bytes=ctx_size * CELL,
        max_kv=max_kv,
    )


def python(code):
    """A check that runs *code*."""
    return (sys.executable, "-c", code)


def run(root, seats, order, *, name=None, said=True, wrap=lambda records: records):
    """Drive *order* on the tree at *root*; *said* is the person's word; *wrap* may put something around the records."""
    with closing(RunRecords(str(root), name)) as records, closing(HeldWorkspace(str(root))) as workspace:
        told = []
        world = World(
            workspace=workspace,
            seats=seats,
            records=wrap(records),
            checker=ProcessChecker(str(root), timeout_s=20),
            commands=order.checks,
            repository=Git(str(root)),
            confirm=said if callable(said) else lambda *_: said,
            tell=told.append,
        )
        return drive(pipeline(order), world)


def contents(root):
    """Every file and folder of *root* but our own and git's, with its bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
        if not {".aidx", ".git"} & set(path.relative_to(root).parts)
    }


__all__ = ["CELL", "Order", "contents", "python", "run", "seat"]
