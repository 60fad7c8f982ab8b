"""The entries of one engine process, device by device: what `plan` puts into the ledger."""

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import fields, replace

from aidx.budget import compute, kv, state, weights
from aidx.budget.bound import Bound, is_replayed
from aidx.budget.checkpoint import checkpoint_bytes
from aidx.budget.geometry import Geometry, geometry
from aidx.budget.ledger import Entry
from aidx.budget.placement import HOST, Placement, place
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import Layer, ModelSpec

if TYPE_CHECKING:
    from aidx.budget.graph.scene import Spread

_FILE_TYPE = "general.file_type"
MOST_SEQUENCES = 256  # LLAMA_MAX_SEQ
_NEVER_FLASH = frozenset({"grok"})  # llama_init_from_model turns flash attention off
Entries = dict[str, tuple[Entry, ...]]


def allocate(model: ModelSpec, settings: Settings, *, gpus: int) -> Entries:
    """What *model* takes with *settings* on *gpus* GPUs and the host, by closed forms alone.

    Keys are the GPUs that the engine uses (``gpu0``, …) and ``host``. Entries of no bytes are left out.

    Raises:
        InputError: For settings that the engine would refuse, parts that do not match the GPUs, or an architecture
            that is not known (``model.layers`` is ``None``): then only ``reconcile.from_engine`` can answer.
    """
    return Allocator(model, gpus=gpus)(settings)


# What tells one placement from another; everything else in the settings leaves layers where they are.
_SIZES = frozenset(
    {
        "ctx_size",
        "parallel",
        "cache_type_k",
        "cache_type_v",
        "ubatch_size",
        "batch_size",
        "flash_attn",
        "kv_unified",
        "swa_full",
        "cache_ram",
        "ctx_checkpoints",
    }
)
_placing = attrgetter(*(field.name for field in fields(Settings) if field.name not in _SIZES))


class Allocator:
    """``allocate`` for many settings of one *model*: what they do not change is worked out once.

    *kin* is the allocator of the same model at another quantization: what the types of tensors do not change
    is then shared with it.
    """

    def __init__(self, model: ModelSpec, *, gpus: int, kin: "Allocator | None" = None) -> None:
        self.model = model
        self.gpus = gpus
        self.layers = model.layers or ()
        self._geometry: Geometry | None = None
        self._bound: Bound | None = None
        self._groups: tuple[weights.Group, ...] = ()
        self._placements: dict[object, Placement] = {}
        self._weighed: dict[tuple[Placement, str], Entry] = {}
        self._counted: dict[tuple[Placement, str], Mapping[Layer, int]] = {}
        self._sized: tuple[compute.Sized, ...] = ()
        self._spreads: dict[Placement, Spread] = {}
        self._split: dict[tuple[Settings, Placement, str], tuple[Entry, Entry]] = {}
        self._peaks: dict[tuple[Settings, Placement], dict[str, int]] = {}
        self._checked: set[tuple[str, str, bool]] = set()
        self.whole: dict[tuple[Settings, str], tuple[Entry, Entry]] = {}
        if kin is not None and kin.gpus == gpus and _same_network(kin.model, model):
            self._geometry = kin.geometry if is_replayed(model.architecture) else None
            self.whole = kin.whole

    @property
    def geometry(self) -> Geometry:
        """The widths of the model's blocks."""
        if self._geometry is None:
            self._geometry = geometry(self.model)
        return self._geometry

    def __call__(self, settings: Settings) -> Entries:
        """The entries of *settings*; see ``allocate``."""
        if self.model.architecture in _NEVER_FLASH:
            settings = replace(settings, flash_attn=False)
        placement = self._place(settings)
        check_settings(settings)
        types = (settings.cache_type_k, settings.cache_type_v, settings.flash_attn)
        if types not in self._checked:
            kv.check_cache(self.layers, settings)
            self._checked.add(types)
        return {device: tuple(self._entries(settings, placement, device)) for device in placement.devices}

    def reads(self, settings: Settings) -> dict[str, int]:
        """Bytes of weights that one token reads on each device: all that are active, and no embeddings but its own."""
        placement = self._place(settings)
        self._groups = self._groups or weights.groups(self.model)
        share = weights.active_share(self.model)
        return {device: weights.read(self._groups, placement, device, share) for device in placement.devices}

    def _place(self, settings: Settings) -> Placement:
        key = _placing(settings)
        if key not in self._placements:
            self._placements[key] = place(self.model, settings, gpus=self.gpus)
        return self._placements[key]

    def standing(self, settings: Settings) -> Entries:
        """Weights, cache and state alone: what stands still while the graph is computed, and costs little to add up."""
        placement = self._place(settings)
        return {device: tuple(self._standing(settings, placement, device)) for device in placement.devices}

    def _standing(self, settings: Settings, placement: Placement, device: str) -> list[Entry]:
        here = self._layers(placement, device)
        return [
            self._weights(placement, device),
            _kv_cache(self.layers, here, settings, device),
            _state(here, settings, device),
        ]

    def _entries(self, settings: Settings, placement: Placement, device: str) -> Iterator[Entry]:
        made = [*self._standing(settings, placement, device), *self._compute(settings, placement, device)]
        if device == HOST:
            made += [
                output_entry(self.model, settings),
                prompt_cache_entry(settings),
                _checkpoints(self.layers, settings),
            ]
        yield from (entry for entry in made if entry.bytes)

    def _layers(self, placement: Placement, device: str) -> Mapping[Layer, int]:
        """Equal layers on *device* and how many there are of each, in the order in which they come up."""
        key = (placement, device)
        if key not in self._counted:
            pairs = zip(self.layers, placement.blocks, strict=True)
            self._counted[key] = Counter(layer for layer, where in pairs if where == device)
        return self._counted[key]

    def _weights(self, placement: Placement, device: str) -> Entry:
        key = (placement, device)
        if key not in self._weighed:
            self._groups = self._groups or weights.groups(self.model)
            self._weighed[key] = _weights(
                self.model, placement, device, weights.held_of(self._groups, placement, device)
            )
        return self._weighed[key]

    def _compute(self, settings: Settings, placement: Placement, device: str) -> tuple[Entry, Entry]:
        """Compute and scratch; alike for all quantizations of a model that lies on one device whole."""
        sizes = replace(settings, n_gpu_layers=0, n_cpu_moe=0, cache_ram=0, ctx_checkpoints=0)
        if _is_whole(placement):
            key = (sizes, f"{device} of {placement.output}")
            if key not in self.whole:
                self.whole[key] = self._computed(settings, placement, device)
            return self.whole[key]
        there = (sizes, placement, device)
        if there not in self._split:
            self._split[there] = self._computed(settings, placement, device)
        return self._split[there]

    def _computed(self, settings: Settings, placement: Placement, device: str) -> tuple[Entry, Entry]:
        whole = _is_whole(placement)
        if not is_replayed(self.model.architecture):
            self._bound = self._bound or Bound(self.model)
            buffer = self._bound(settings, placement, device)
        elif whole:
            buffer = compute.compute_buffer(self.geometry, self.layers, settings, placement, device=device)
        else:
            there = self._spread_peaks(settings, placement)
            buffer = compute.spread_buffer(there, self.layers, settings, placement, device=device)
        copies = compute.scratch(self.layers, settings, placement, device)
        return (
            Entry("compute", buffer.bytes, buffer.why, "modelled"),
            Entry("scratch", copies, "f16 copies of K and V of the widest layer, for flash attention", "modelled"),
        )

    def _spread_peaks(self, settings: Settings, placement: Placement) -> dict[str, int]:
        """What each device needs, played through once for all of them."""
        if placement not in self._spreads:
            self._sized = self._sized or compute.sized(self.model)
            self._spreads[placement] = compute.spread_over(self._sized, placement)
        key = (settings, placement)
        if key not in self._peaks:
            self._peaks = {key: compute.spread_peaks(self.geometry, settings, self._spreads[placement])}
        return self._peaks[key]


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


def _same_network(one: ModelSpec, other: ModelSpec) -> bool:
    """Whether two models differ in the types of their tensors alone."""
    if one.layers != other.layers or one.vocab_size != other.vocab_size:
        return False
    if {**one.header.metadata, _FILE_TYPE: 0} != {**other.header.metadata, _FILE_TYPE: 0}:
        return False
    shapes = [{tensor.name: tensor.shape for tensor in model.tensors} for model in (one, other)]
    return shapes[0] == shapes[1]


def _is_whole(placement: Placement) -> bool:
    """Whether all is computed where it lies; a GPU computes what lies on the host beside it."""
    one = len({*placement.blocks, placement.output}) == 1
    return one and not placement.cpu_moe and not (placement.pinned and placement.output == HOST)


def _weights(model: ModelSpec, placement: Placement, device: str, held: weights.Held) -> Entry:
    why = f"{held.tensors} tensors of {model.quantization}"
    if placement.tied and placement.output == device and (device != HOST or not placement.shares):
        why += ", token embeddings copied as output"
    if held.plain:
        return Entry("weights", held.bytes, why, "exact")
    return Entry("weights", held.bytes, f"{why}; plain bytes, the engine may repack them for the CPU", "modelled")


def _kv_cache(layers: tuple[Layer, ...], here: Mapping[Layer, int], settings: Settings, device: str) -> Entry:
    widest = kv.value_width(layers, settings)
    kept = {layer: count for layer, count in here.items() if layer.kv_heads}
    size = sum(count * kv.layer_bytes(layer, settings, device=device, widest=widest) for layer, count in kept.items())
    return Entry("kv_cache", size, _kv_why(kept, settings, widest), "exact")


def _kv_why(layers: Mapping[Layer, int], settings: Settings, widest: int | None) -> str:
    """Groups of equal layers: ``48 layers x 8,192 tokens x 4,096 B``."""
    groups: dict[tuple[int, int], int] = {}
    for layer, count in layers.items():
        rows = kv.cells(layer, settings) * settings.n_stream
        each = kv.layer_bytes(layer, settings, device=HOST, widest=widest) // rows
        groups[rows, each] = groups.get((rows, each), 0) + count
    parts = [f"{count} layers x {rows:,} tokens x {each:,} B" for (rows, each), count in groups.items()]
    return f"{' + '.join(parts)} (K {settings.cache_type_k}, V {settings.cache_type_v})"


def _state(here: Mapping[Layer, int], settings: Settings, device: str) -> Entry:
    kept = {layer: count for layer, count in here.items() if layer.conv_state + layer.recurrent_state}
    size = sum(
        count * state.layer_state(layer, sequences=settings.parallel, device=device) for layer, count in kept.items()
    )
    why = f"{sum(kept.values())} layers x {settings.parallel} sequences, f32"
    return Entry("recurrent_state", size, why, "exact")


def output_entry(model: ModelSpec, settings: Settings) -> Entry:
    """The logits that the engine hands out, a row for each token asked for (``llama_context::output_reserve``)."""
    rows = settings.n_outputs
    why = f"{rows} x {model.vocab_size:,} logits x 4 B"
    if settings.n_draft:  # at first as many as there are sequences, more as soon as guesses are looked at
        return Entry("output", model.vocab_size * rows * 4, f"{why}, once guesses are looked at", "modelled")
    return Entry("output", model.vocab_size * rows * 4, why, "exact")


def prompt_cache_entry(settings: Settings) -> Entry:
    """The server's cache of finished prompts, at its limit."""
    return Entry("prompt_cache", settings.cache_ram, "--cache-ram, at its limit", "exact")


def _checkpoints(layers: tuple[Layer, ...], settings: Settings) -> Entry:
    each = checkpoint_bytes(layers, settings) if settings.ctx_checkpoints else 0
    size = settings.ctx_checkpoints * settings.parallel * each
    why = f"{settings.ctx_checkpoints} checkpoints x {settings.parallel} slots x {each:,} B of state and windows"
    return Entry("checkpoints", size, why, "modelled")
