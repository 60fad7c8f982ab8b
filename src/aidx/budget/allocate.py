"""The entries of one engine process, device by device: what `plan` puts into the ledger."""

from collections.abc import Iterator

from aidx.budget import compute, kv, state, weights
from aidx.budget.checkpoint import checkpoint_bytes
from aidx.budget.geometry import Geometry, geometry
from aidx.budget.graph.scene import NOTHING_AWAY, Away
from aidx.budget.ledger import Entry
from aidx.budget.placement import HOST, Placement, place
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import Layer, ModelSpec

MOST_SEQUENCES = 256  # LLAMA_MAX_SEQ
Entries = dict[str, tuple[Entry, ...]]


def allocate(model: ModelSpec, settings: Settings, *, gpus: int) -> Entries:
    """What *model* takes with *settings* on *gpus* GPUs and the host, by closed forms alone.

    Keys are the GPUs that the engine uses (``gpu0``, …) and ``host``. Entries of no bytes are left out.

    Raises:
        InputError: For settings that the engine would refuse, parts that do not match the GPUs, or an architecture
            that is not known (``model.layers`` is ``None``): then only ``reconcile.from_engine`` can answer.
    """
    return Allocator(model, gpus=gpus)(settings)


class Allocator:
    """``allocate`` for many settings of one *model*: what they do not change is worked out once."""

    def __init__(self, model: ModelSpec, *, gpus: int) -> None:
        self.model = model
        self.gpus = gpus
        self.layers = model.layers or ()
        self._geometry: Geometry | None = None
        self._held: dict[tuple[Placement, str], weights.Held] = {}
        self._away: dict[Placement, Away] = {}

    def __call__(self, settings: Settings) -> Entries:
        """The entries of *settings*; see ``allocate``."""
        placement = place(self.model, settings, gpus=self.gpus)
        check_settings(settings)
        kv.check_cache(self.layers, settings)
        return {device: tuple(self._entries(settings, placement, device)) for device in placement.devices}

    def _entries(self, settings: Settings, placement: Placement, device: str) -> Iterator[Entry]:
        made = [
            self._weights(placement, device),
            _kv_cache(self.layers, settings, placement, device),
            _state(self.layers, settings, placement, device),
            self._compute(settings, placement, device),
            _scratch(self.layers, settings, placement, device),
        ]
        if device == HOST:
            made += [
                output_entry(self.model, settings),
                prompt_cache_entry(settings),
                _checkpoints(self.layers, settings),
            ]
        yield from (entry for entry in made if entry.bytes)

    def _weights(self, placement: Placement, device: str) -> Entry:
        key = (placement, device)
        if key not in self._held:
            self._held[key] = weights.held(self.model, placement, device)
        held = self._held[key]
        why = f"{held.tensors} tensors of {self.model.quantization}"
        if placement.tied and placement.output == device and (device != HOST or not placement.shares):
            why += ", token embeddings copied as output"
        if held.plain:
            return Entry("weights", held.bytes, why, "exact")
        return Entry("weights", held.bytes, f"{why}; plain bytes, the engine may repack them for the CPU", "modelled")

    def _compute(self, settings: Settings, placement: Placement, device: str) -> Entry:
        if self._geometry is None:
            self._geometry = geometry(self.model)
        if placement.pinned and placement not in self._away:
            self._away[placement] = compute.away_from_gpu(self.model, self._geometry, placement)
        away = self._away.get(placement, NOTHING_AWAY)
        buffer = compute.compute_buffer(self._geometry, self.layers, settings, placement, device=device, away=away)
        return Entry("compute", buffer.bytes, buffer.why, "modelled")


def check_settings(settings: Settings) -> None:
    """Refuse numbers that no engine takes.

    Raises:
        InputError: For a context, batch or number of sequences below 1, too many sequences, or negative sizes.
    """
    smallest = {
        "--ctx-size": (settings.ctx_size, 1),
        "--parallel": (settings.parallel, 1),
        "--batch-size": (settings.batch_size, 1),
        "--ubatch-size": (settings.ubatch_size, 1),
        "--n-cpu-moe": (settings.n_cpu_moe, 0),
        "--cache-ram": (settings.cache_ram, 0),
        "--ctx-checkpoints": (settings.ctx_checkpoints, 0),
    }
    for option, (value, least) in smallest.items():
        if value < least:
            raise InputError(f"{option} {value} is below {least}", hint=f"Use {option} {least} or more.")
    if settings.parallel > MOST_SEQUENCES:
        raise InputError(
            f"--parallel {settings.parallel} is above {MOST_SEQUENCES}",
            hint=f"Use --parallel {MOST_SEQUENCES} or less.",
        )


def _kv_cache(layers: tuple[Layer, ...], settings: Settings, placement: Placement, device: str) -> Entry:
    widest = kv.value_width(layers, settings)
    here = [layer for layer, where in zip(layers, placement.blocks, strict=True) if where == device and layer.kv_heads]
    size = sum(kv.layer_bytes(layer, settings, device=device, widest=widest) for layer in here)
    return Entry("kv_cache", size, _kv_why(here, settings, widest), "exact")


def _kv_why(layers: list[Layer], settings: Settings, widest: int | None) -> str:
    """Groups of equal layers: ``48 layers x 8,192 tokens x 4,096 B``."""
    groups: dict[tuple[int, int], int] = {}
    for layer in layers:
        rows = kv.cells(layer, settings) * settings.n_stream
        each = kv.layer_bytes(layer, settings, device=HOST, widest=widest) // rows
        groups[rows, each] = groups.get((rows, each), 0) + 1
    parts = [f"{count} layers x {rows:,} tokens x {each:,} B" for (rows, each), count in groups.items()]
    return f"{' + '.join(parts)} (K {settings.cache_type_k}, V {settings.cache_type_v})"


def _state(layers: tuple[Layer, ...], settings: Settings, placement: Placement, device: str) -> Entry:
    here = [
        layer
        for layer, where in zip(layers, placement.blocks, strict=True)
        if where == device and layer.conv_state + layer.recurrent_state
    ]
    size = sum(state.layer_state(layer, sequences=settings.parallel, device=device) for layer in here)
    return Entry("recurrent_state", size, f"{len(here)} layers x {settings.parallel} sequences, f32", "exact")


def _scratch(layers: tuple[Layer, ...], settings: Settings, placement: Placement, device: str) -> Entry:
    size = compute.scratch(layers, settings, placement, device)
    return Entry("scratch", size, "f16 copies of K and V of the widest layer, for flash attention", "modelled")


def output_entry(model: ModelSpec, settings: Settings) -> Entry:
    """The logits that the engine hands out, a row for each token asked for (``llama_context::output_reserve``)."""
    rows = settings.n_outputs
    return Entry("output", model.vocab_size * rows * 4, f"{rows} x {model.vocab_size:,} logits x 4 B", "exact")


def prompt_cache_entry(settings: Settings) -> Entry:
    """The server's cache of finished prompts, at its limit."""
    return Entry("prompt_cache", settings.cache_ram, "--cache-ram, at its limit", "exact")


def _checkpoints(layers: tuple[Layer, ...], settings: Settings) -> Entry:
    each = checkpoint_bytes(layers, settings)
    size = settings.ctx_checkpoints * settings.parallel * each
    why = f"{settings.ctx_checkpoints} checkpoints x {settings.parallel} slots x {each:,} B of state and windows"
    return Entry("checkpoints", size, why, "modelled")
