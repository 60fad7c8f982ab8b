"""``--fast`` totals against the real engine for every family: never under, on any device.

Each golden model is asked whole on a GPU, on the CPU alone, split between the two, and on two GPUs, with settings in
turn from all combinations of contexts, slots, batches, cache types and flash attention. Raise ``AIDX_BOUNDS`` for more.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, product

import pytest
from msgspec.structs import replace
from tests.contract.test_arch import FILES, GOLDEN
from tests.fakes.published import made, typed

from aidx.adapters.llama.prober import EngineProber
from aidx.budget.allocate import allocate
from aidx.budget.bound import is_replayed
from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.model.spec import ModelSpec
from aidx.plan.probe import Probe, Probed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
EACH = int(os.environ.get("AIDX_BOUNDS", "1"))  # configurations of each model on each placement
CARD = 1 << 50  # one that never stands in the way
CONTEXTS = (256, 4096, 8192, 32768)
SLOTS = ((1, True), (4, True), (4, False))
BATCHES = (64, 128, 512, 1024)
CACHES = (("f16", "f16", True), ("q8_0", "q8_0", True), ("f16", "f16", False))
COMBINED = list(product(CACHES, CONTEXTS, SLOTS, BATCHES))
STEP = 25  # through the combinations; shares no divisor with their number
OUTSIDE = frozenset({"output", "prompt_cache", "checkpoints"})  # the engine does not report these


@dataclass(frozen=True)
class Case:
    """One device of one configuration: our total and compute, and the engine's."""

    family: str
    model: str
    placement: str
    device: str
    settings: Settings
    total: tuple[int, int]
    compute: tuple[int, int]
    replayed: bool


def models() -> Iterator[tuple[str, ModelSpec]]:
    for file in FILES:
        for record in json.loads(GOLDEN.joinpath(f"{file}.json").read_text("utf-8"))["models"]:
            yield file, made(typed(record["metadata"]), frozenset(record["absent"]), name=record["name"])


def placements(model: ModelSpec, number: int) -> dict[str, tuple[Settings, tuple[int, ...]]]:
    """Where the model lies, with the settings of the *number*-th turn; V is a view of K in some."""
    whole = model.block_count + 1
    (key, value, flash), ctx_size, (parallel, unified), ubatch = COMBINED[number * STEP % len(COMBINED)]
    settings = Settings(
        ctx_size=ctx_size,
        parallel=parallel,
        kv_unified=unified,
        cache_type_k=key,
        cache_type_v=value,
        flash_attn=flash,
        ubatch_size=ubatch,
        n_gpu_layers=whole,
    )
    return {
        "gpu": (settings, (CARD,)),
        "cpu": (replace(settings, n_gpu_layers=0), ()),
        "split": (replace(settings, n_gpu_layers=1 + number % model.block_count), (CARD,)),
        "experts on the host": (replace(settings, n_cpu_moe=1 + number % model.block_count), (CARD,)),
        "two": (replace(settings, tensor_split=(1.0, 2.0)), (CARD, CARD)),
    }


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    prober, found, turn = EngineProber(deadline_s=60), [], count()
    for file, model in models():
        for _ in range(EACH):
            for placement, (settings, gpus) in placements(model, next(turn)).items():
                found += compared(prober, file, Probe(model, settings, gpus), placement=placement)
    prober.close()
    return found


def compared(prober: EngineProber, file: str, probe: Probe, *, placement: str) -> list[Case]:
    """One case a device; with plain caches and one slot where the engine will not have the settings."""
    model, settings, gpus = probe.model, probe.settings, probe.gpus
    answer = prober.ask(probe)
    if not isinstance(answer, Probed):
        settings = replace(settings, cache_type_k="f16", cache_type_v="f16", parallel=1)
        answer = prober.ask(Probe(model, settings, gpus))
        assert isinstance(answer, Probed), (model.name, settings, answer)
    try:
        ours = allocate(model, settings, gpus=len(gpus))
    except InputError as error:
        pytest.fail(f"{model.name}: the engine takes what we refuse: {error}, {settings}")
    cases = []
    for device, entries in ours.items():
        here = [buffer for buffer in answer.buffers if buffer.device == device]
        mine = {entry.what: entry.bytes for entry in entries if entry.what not in OUTSIDE}
        compute = sum(buffer.compute for buffer in here)
        theirs = compute + sum(buffer.model + buffer.context for buffer in here)
        cases.append(
            Case(
                family=file,
                model=model.name,
                placement=placement,
                device=device,
                settings=settings,
                total=(sum(mine.values()), theirs),
                compute=(mine.get("compute", 0) + mine.get("scratch", 0), compute),
                replayed=is_replayed(model.architecture),
            )
        )
    return cases


def test_no_total_is_under_the_engines(cases: list[Case]) -> None:
    over = sorted((case.total[0] - case.total[1]) / max(case.total[1], 1) for case in cases)
    print(f"{len(cases)} devices; totals {over[0]:+.3%} to {over[-1]:+.3%}, half within {over[len(over) // 2]:+.3%}")

    assert [case for case in cases if case.total[0] < case.total[1]] == []


def test_replayed_graphs_of_whole_models_are_the_engines_to_the_byte(cases: list[Case]) -> None:
    whole = [case for case in cases if case.replayed and case.placement in {"gpu", "cpu"}]

    assert {case.device for case in whole} == {"gpu0", "host"}
    assert [case for case in whole if case.compute[0] != case.compute[1]] == []


def test_replayed_graphs_of_spread_models_are_the_engines_to_a_thousandth(cases: list[Case]) -> None:
    """Two families get a row more; everything else is meant to be equal, and nearly all of it is."""
    spread = [case for case in cases if case.replayed and case.placement not in {"gpu", "cpu"}]
    equal = [case for case in spread if case.compute[0] == case.compute[1]]
    print(f"{len(equal)} of {len(spread)} devices of models that lie on several are equal")

    assert [case for case in spread if case.total[0] > 1.001 * case.total[1]] == []
    assert len(equal) >= 0.97 * len(spread)


def test_bounds_are_within_tens_of_percent_for_half_of_the_whole_models(cases: list[Case]) -> None:
    over = sorted(
        (case.compute[0] - case.compute[1]) / case.compute[1]
        for case in cases
        if case.placement == "gpu" and not case.replayed and case.settings.ubatch_size >= 512
    )
    print(f"{len(over)} bounds of compute; half within {over[len(over) // 2]:+.1%}, most {over[-1]:+.1%}")

    assert over[len(over) // 2] < 0.6


def test_every_family_was_compared_on_every_kind_of_placement(cases: list[Case]) -> None:
    for placement in ("gpu", "cpu", "split", "two"):
        assert {case.family for case in cases if case.placement == placement} == set(FILES)
