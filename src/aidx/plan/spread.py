"""Which layers go to which of several GPUs: the engine's own split first, a better one where that does not hold."""

from collections.abc import Callable, Generator, Sequence
from itertools import accumulate

from msgspec.structs import replace

from aidx.budget import kv, state
from aidx.budget.ledger import Ledger
from aidx.budget.placement import HOST, place
from aidx.budget.settings import Settings
from aidx.budget.split import owners, parts_by_size
from aidx.budget.weights import allocated
from aidx.plan.devices import Machine
from aidx.plan.ledger import Desk
from aidx.plan.need import Need
from aidx.plan.probe import Answer, Probe

Look = Callable[[Settings], Generator[Probe, Answer, Ledger]]

_TRIES = 4  # splits over several GPUs that are tried for a context; the second is nearly always the best
_STEPS = 48  # halvings of the headroom that is looked for: below a byte in any machine


def splits(machine: Machine, settings: Settings) -> bool:
    """Whether layers are split over several GPUs."""
    return len(machine.gpus) > 1 and settings.split_mode == "layer"


def spreads(need: Need, machine: Machine) -> bool:
    """Whether *need* leaves the split over the GPUs of *machine* to the plan."""
    return len(machine.gpus) > 1 and need.split_mode == "layer" and need.tensor_split is None


def by_memory(machine: Machine, settings: Settings) -> Settings:
    """*settings* with the parts that the engine would choose itself, written down so that they stay."""
    if not splits(machine, settings):
        return settings
    parts = parts_by_size([gpu.free for gpu in machine.gpus])
    return replace(settings, tensor_split=parts if any(parts) else (1.0,) * len(parts))


def fitted(desk: Desk, settings: Settings, look: Look) -> Generator[Probe, Answer, Settings]:
    """*settings* with the engine's own split where the GPUs hold that, else with a better one; as *look* sees them.

    Where none of those that are tried holds: the one that lacks least. The split in *settings* decides nothing, so
    that whoever asks for a context gets the split that was tried for it. One that the user gave stays.
    """
    if not desk.spreads or not splits(desk.machine, settings):
        return settings
    tried: list[tuple[int, Settings]] = []
    here = by_memory(desk.machine, settings)
    while True:
        ledger = yield from look(here)
        room = gpu_headroom(ledger)
        if room >= 0:
            return here
        tried.append((room, here))
        here = spread(desk, here, ledger)
        if len(tried) == _TRIES or here in [settings for _, settings in tried]:
            return max(tried, key=lambda one: one[0])[1]


def gpu_headroom(ledger: Ledger) -> int:
    """The headroom of the tightest GPU; 0 without one."""
    return min((account.headroom for account in ledger.accounts if account.kind == "gpu"), default=0)


def spread(desk: Desk, settings: Settings, ledger: Ledger) -> Settings:
    """*settings* with the split whose tightest GPU has most room, judged from *ledger*, that of *settings*.

    Layers keep their order. What a GPU holds beside layers (compute, driver) is taken to stay as it is. The same
    settings where nothing is split, or the model's layers are not known.
    """
    if not splits(desk.machine, settings) or desk.model.layers is None or not settings.n_gpu_layers:
        return settings
    costs = _costs(desk, settings)
    gpus = [account for account in ledger.accounts if account.kind == "gpu"]
    where = owners(settings.tensor_split, len(costs))
    fixed = [
        account.planned - sum(c for c, at in zip(costs, where, strict=True) if at == number)
        for number, account in enumerate(gpus)
    ]
    counts = _balanced(costs, [account.usable - more for account, more in zip(gpus, fixed, strict=True)])
    return replace(settings, tensor_split=tuple(map(float, counts)))


def counts(desk: Desk, settings: Settings) -> tuple[int, ...]:
    """Layers on each GPU, the output counted as one."""
    on_gpu = min(settings.n_gpu_layers, desk.model.block_count + 1)
    where = owners(settings.tensor_split, on_gpu)
    return tuple(where.count(number) for number in range(len(settings.tensor_split)))


def _costs(desk: Desk, settings: Settings) -> list[int]:
    """Bytes of each layer on a GPU: weights, cache and state; the output last."""
    model = desk.model
    alone = replace(settings, split_mode="none", main_gpu=0, tensor_split=())
    placement = place(model, alone, gpus=1)
    layers = model.layers or ()
    first = model.block_count + 1 - min(settings.n_gpu_layers, model.block_count + 1)
    costs = [0] * (model.block_count + 1)
    for tensor in model.tensors:
        if "gpu0" in placement.holders(tensor):
            number = tensor.layer
            costs[model.block_count if number is None else number] += allocated(tensor, "gpu0")
    widest = kv.value_width(layers, settings)
    for number, layer in enumerate(layers):
        if placement.blocks[number] != HOST:
            costs[number] += kv.layer_bytes(layer, settings, device="gpu0", widest=widest)
            costs[number] += state.layer_state(layer, sequences=settings.parallel, device="gpu0")
    return costs[first:]


def _balanced(costs: Sequence[int], rooms: Sequence[int]) -> list[int]:
    """How many of *costs*, in order, go into each of *rooms* so that the least that is left is as much as can be."""
    most = max(rooms)
    low, high = -sum(costs) - sum(map(abs, rooms)), most
    found = _filled(costs, rooms, low)
    for _ in range(max(_STEPS, (high - low).bit_length())):
        middle = (low + high) // 2
        tried = _filled(costs, rooms, middle)
        if sum(tried) == len(costs):
            low, found = middle, tried
        else:
            high = middle
    return found


def _filled(costs: Sequence[int], rooms: Sequence[int], left: int) -> list[int]:
    """As many as fit into each room in turn with *left* to spare."""
    ends, done = list(accumulate(costs)), 0
    filled = []
    for room in rooms:
        before = ends[done - 1] if done else 0
        fits = done
        while fits < len(costs) and ends[fits] - before <= room - left:
            fits += 1
        filled.append(fits - done)
        done = fits
    return filled
