"""The engine's own answer laid over the closed forms."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec.structs import replace

from aidx.budget.allocate import Entries, output_entry, prompt_cache_entry
from aidx.budget.ledger import Entry, What
from aidx.budget.placement import HOST
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec


class BufferLike(Protocol):
    """One buffer type as the engine reports it; ``plan.probe.Buffer`` is one."""

    @property
    def device(self) -> str:
        """``gpu0``, … or ``host``."""
        ...

    @property
    def name(self) -> str:
        """The engine's name for it."""
        ...

    @property
    def model(self) -> int:
        """Bytes of weights."""
        ...

    @property
    def context(self) -> int:
        """Bytes of KV cache and state."""
        ...

    @property
    def compute(self) -> int:
        """Bytes of compute buffers."""
        ...


def reconcile(entries: Entries, buffers: Sequence[BufferLike], *, build: str) -> Entries:
    """Overlay *entries* with what the engine of *build* answered.

    Where weights or cache and state agree, the entry stays as it is; elsewhere, and for compute always, the
    engine's bytes stand, graded ``engine``. Repacked weights become an entry of their own. Scratch, which the
    engine counts inside compute, keeps its formula, so that both together are the engine's bytes.
    """
    devices = sorted({*entries, *(buffer.device for buffer in buffers)} - {HOST})
    return {
        device: tuple(
            entry
            for entry in _overlay(
                entries.get(device, ()), [buffer for buffer in buffers if buffer.device == device], build
            )
            if entry.bytes
        )
        for device in (*devices, HOST)
    }


def from_engine(model: ModelSpec, settings: Settings, buffers: Sequence[BufferLike], *, build: str) -> Entries:
    """The entries of a model whose architecture only the engine knows.

    State is not told apart from the cache, so that checkpoints, should any be kept, are counted as large as
    everything a sequence keeps.
    """
    known = [output_entry(model, settings), prompt_cache_entry(settings)]
    if settings.ctx_checkpoints:
        kept = sum(buffer.context for buffer in buffers)
        why = f"{settings.ctx_checkpoints} checkpoints of at most {kept:,} B in all slots"
        known.append(Entry("checkpoints", settings.ctx_checkpoints * kept, why, "modelled"))
    return reconcile({HOST: tuple(known)}, buffers, build=build)


def _overlay(entries: tuple[Entry, ...], buffers: list[BufferLike], build: str) -> Iterator[Entry]:
    repacked = sum(buffer.model for buffer in buffers if "REPACK" in buffer.name)
    plain = sum(buffer.model for buffer in buffers) - repacked
    yield _agreed(entries, "weights", plain, build)
    yield Entry("repack", repacked, f"weights repacked for this CPU, {build}", "engine")
    yield from _kept(entries, sum(buffer.context for buffer in buffers), build)
    yield from _computed(entries, sum(buffer.compute for buffer in buffers), build)
    replaced = {"weights", "repack", "kv_cache", "recurrent_state", "compute", "scratch"}
    yield from (entry for entry in entries if entry.what not in replaced)


def _find(entries: tuple[Entry, ...], what: What) -> Entry | None:
    return next((entry for entry in entries if entry.what == what), None)


def _agreed(entries: tuple[Entry, ...], what: What, size: int, build: str) -> Entry:
    own = _find(entries, what)
    if own is None:
        return Entry(what, size, f"as allocated by {build}", "engine")
    if own.bytes == size and own.grade == "exact":
        return own
    return replace(own, bytes=size, why=f"{own.why.split(';')[0]}, as allocated by {build}", grade="engine")


def _kept(entries: tuple[Entry, ...], size: int, build: str) -> Iterator[Entry]:
    """Cache and state: the engine reports their sum; what it says beyond ours goes to the cache."""
    state = _find(entries, "recurrent_state")
    if state is not None and state.bytes <= size:
        yield state
        size -= state.bytes
    yield _agreed(entries, "kv_cache", size, build)


def _computed(entries: tuple[Entry, ...], size: int, build: str) -> Iterator[Entry]:
    scratch = _find(entries, "scratch")
    if scratch is not None and scratch.bytes <= size:
        yield replace(scratch, grade="engine", why=f"{scratch.why}; part of the compute buffer of {build}")
        size -= scratch.bytes
    yield Entry("compute", size, f"worst-case graph, as allocated by {build}", "engine")
