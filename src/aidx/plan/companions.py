"""The entries of what runs beside the model; only a plan with such files pays for importing this."""

from collections.abc import Iterator

from msgspec.structs import replace

from aidx.budget.allocate import Entries
from aidx.budget.companions import (
    first_device,
    lora_entries,
    projector_entries,
    projector_inputs,
    with_lora_compute,
)
from aidx.budget.ledger import Entry
from aidx.budget.placement import HOST, place
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import ModelSpec
from aidx.plan.beside import Beside
from aidx.plan.probe import Probed


def draft_settings(draft: ModelSpec, settings: Settings, *, gpus: int) -> Settings:
    """The settings of the *draft* model's context: those of the model, its cache in f16, all of it on GPUs.

    As llama-server makes them (``common_base_params_to_speculative``), where nothing is said of the draft model. Where
    none of the model is on a GPU none of the draft model is: no driver is started for it.
    """
    layers = draft.block_count + 1 if gpus and settings.n_gpu_layers else 0
    return replace(settings, cache_type_k="f16", cache_type_v="f16", n_gpu_layers=layers, n_cpu_moe=0, n_draft=0)


def with_loras(entries: Entries, beside: Beside, model: ModelSpec, settings: Settings, *, gpus: int) -> Entries:
    """*entries* with the adapters' halves and what their products add to each device's graph.

    Raises ``InputError`` where only the engine knows the model's layers: then nobody knows where the halves go.
    """
    if not beside.loras:
        return entries
    if model.layers is None:
        raise InputError(
            f"--lora needs a known architecture, and '{model.architecture}' is answered by the engine alone",
            hint="Leave --lora out, and keep its file's size free.",
        )
    placement = place(model, settings, gpus=gpus)
    return {
        device: (
            *with_lora_compute(found, beside.loras, settings),
            *(entry for adapter in beside.loras for entry in lora_entries(adapter, model, placement, device)),
        )
        for device, found in entries.items()
    }


def with_projector(entries: Entries, beside: Beside, answer: Probed | None, *, gpus: int) -> Entries:
    """*entries* with the projector, its compute as the engine's *answer* has it or modelled."""
    if beside.projector is None:
        return entries
    first = first_device(gpus)
    if answer is None:
        more = {first: tuple(projector_entries(beside.projector, first, None))}
        return joined(entries, more if first == HOST else {**more, HOST: (projector_inputs(beside.projector),)})
    total = sum(buffer.compute for buffer in answer.buffers if buffer.device == first)
    more = {first: tuple(projector_entries(beside.projector, first, total, answer.build))}
    why = f"{beside.projector.name}: inputs of its graph, {answer.build}"
    for buffer in answer.buffers:
        if buffer.device != first and buffer.compute:
            more[buffer.device] = (Entry("projector", buffer.compute, why, "engine"),)
    return joined(entries, more)


def with_draft(entries: Entries, draft: ModelSpec, its: Entries) -> Entries:
    """*entries* with *its*, those of the *draft* model, each named ``draft``."""
    return joined(entries, {device: tuple(_drafted(draft, found)) for device, found in its.items()})


def _drafted(draft: ModelSpec, entries: tuple[Entry, ...]) -> Iterator[Entry]:
    for entry in entries:
        if entry.what not in {"prompt_cache", "checkpoints"}:  # the server keeps these once
            yield Entry("draft", entry.bytes, f"{draft.name}, {entry.what}: {entry.why}", entry.grade)


def joined(entries: Entries, more: Entries) -> Entries:
    """The entries of both, device by device."""
    return {device: (*entries.get(device, ()), *more.get(device, ())) for device in {**entries, **more}}
