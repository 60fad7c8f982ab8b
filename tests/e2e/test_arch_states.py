"""Families that keep a state, with random hyper-parameters and settings, against the real engine.

Weights, and cache plus state, must be the engine's to the byte on a virtual GPU, split, and on the CPU, and compute not
below it. Raise
``AIDX_STATES`` for more models of each family than CI asks for.
"""

import os
import sys
from collections.abc import Iterator
from random import Random

import pytest
from tests.fakes.published import made
from tests.fakes.random_states import DRAWS, metadata

from aidx.adapters.llama.prober import EngineProber
from aidx.budget.allocate import allocate
from aidx.budget.kv import check_cache, layer_bytes, value_width
from aidx.budget.placement import Placement, place
from aidx.budget.settings import Settings
from aidx.budget.state import layer_state
from aidx.budget.weights import held
from aidx.errors import InputError
from aidx.model.spec import ModelSpec
from aidx.plan.probe import Probe, Probed, Unanswered

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
EACH = int(os.environ.get("AIDX_STATES", "4"))  # models of a family, each asked on three placements
GPU = (1 << 50,)
QUANTS = ("F16", "Q4_K_M", "Q8_0", "Q2_K")
CACHES = (("f16", "f16"), ("q8_0", "q8_0"), ("q4_0", "q5_1"), ("f32", "bf16"))
# The pinned engine aborts over these in separate slots whose number does not divide the batch.
DIVIDING = frozenset({"kimi-linear", "minimax-01"})
# Tensors that a file of the family may lack.
OPTIONAL = {
    "rwkv6": (),
    "rwkv7": (),
    "rwkv6qwen2": ("time_mix_key.bias", "time_mix_value.bias", "time_mix_receptance.bias"),
    "arwkv7": ("time_mix_ln.weight", "time_mix_ln.bias"),
    "falcon-h1": ("output.weight", "ssm_norm.weight"),
    "kimi-linear": (),
    "glm5-next": ("nextn.shared_head_norm.weight",),
    "kimi-k3": ("attn_gate.weight", "ffn_routed_norm.weight"),
}


@pytest.fixture(scope="module")
def prober() -> Iterator[EngineProber]:
    one = EngineProber(deadline_s=60)
    yield one
    one.close()


def drawn(architecture: str, dice: Random) -> ModelSpec:
    """A random model; what a file may lack, it lacks in half of the cases. F16 where llama-quantize refuses."""
    optional = OPTIONAL.get(architecture, ("output.weight",))
    absent = frozenset(name for name in optional if dice.random() < 0.5)
    drew = metadata(architecture, dice)
    try:
        return made(drew, absent, dice.choice(QUANTS), name=architecture)
    except InputError:
        return made(drew, absent, name=architecture)


def settings_of(model: ModelSpec, dice: Random, n_gpu_layers: int) -> Settings:
    """Random settings; f16 where the engine would refuse the cache types."""
    key, value = dice.choice(CACHES)
    slots = (1, 2, 4) if model.architecture in DIVIDING else (1, 2, 3, 4)
    settings = Settings(
        ctx_size=dice.choice((256, 1000, 4096)),
        parallel=dice.choice(slots),
        cache_type_k=key,
        cache_type_v=value,
        ubatch_size=dice.choice((64, 512)),
        n_gpu_layers=n_gpu_layers,
        flash_attn=dice.random() < 0.8,
        kv_unified=dice.random() < 0.5,
        swa_full=dice.random() < 0.3,
    )
    try:
        check_cache(model.layers or (), settings)
    except InputError:
        return Settings(ctx_size=settings.ctx_size, parallel=settings.parallel, n_gpu_layers=n_gpu_layers)
    return settings


def differences(prober: EngineProber, model: ModelSpec, settings: Settings, gpus: tuple[int, ...]) -> list[str]:
    """Where ours and the engine's bytes differ; fails where the engine refuses."""
    answer = prober.ask(Probe(model, settings, gpus))
    assert not isinstance(answer, Unanswered), (answer, dict(model.header.metadata), settings)
    assert isinstance(answer, Probed)
    placement = place(model, settings, gpus=len(gpus))
    planned = allocate(model, settings, gpus=len(gpus))
    wrong = []
    for device in placement.devices:
        here = [buffer for buffer in answer.buffers if buffer.device == device]
        pairs = {
            "weights": (held(model, placement, device).bytes, sum(buffer.model for buffer in here)),
            "kept": (kept(model, settings, placement, device), sum(buffer.context for buffer in here)),
        }
        wrong += [
            f"{device} {what}: {ours:,} B, engine {theirs:,} B; {settings} {dict(model.header.metadata)}"
            for what, (ours, theirs) in pairs.items()
            if ours != theirs
        ]
        needed = sum(buffer.compute for buffer in here)
        ours = sum(entry.bytes for entry in planned[device] if entry.what in {"compute", "scratch"})
        if ours < needed:
            wrong.append(f"{device} compute: {ours:,} B, engine {needed:,} B; {settings} {dict(model.header.metadata)}")
    return wrong


def kept(model: ModelSpec, settings: Settings, placement: Placement, device: str) -> int:
    """Cache and state on *device*."""
    layers = model.layers or ()
    widest = value_width(layers, settings)
    return sum(
        layer_bytes(layer, settings, device=device, widest=widest)
        + layer_state(layer, sequences=settings.parallel, device=device)
        for layer, where in zip(layers, placement.blocks, strict=True)
        if where == device
    )


def placed(model: ModelSpec, dice: Random) -> Iterator[tuple[Settings, tuple[int, ...]]]:
    """Random settings whole on a GPU, split, and on the CPU."""
    every = model.block_count + 1
    for gpus, layers in ((GPU, every), (GPU, dice.randrange(every)), ((), 0)):
        yield settings_of(model, dice, layers), gpus


@pytest.mark.parametrize("architecture", sorted(DRAWS))
def test_random_hyper_parameters_agree_to_the_byte(prober: EngineProber, architecture: str) -> None:
    wrong, compared = [], 0
    for number in range(EACH):
        dice = Random(f"{architecture} {number}")
        model = drawn(architecture, dice)
        for settings, gpus in placed(model, dice):
            wrong += differences(prober, model, settings, gpus)
            compared += 1
    print(f"{architecture}: {compared} configurations of {EACH} random models, {len(wrong)} differences")

    assert compared == 3 * EACH > 0
    assert wrong == []


# Draws whose compute was below the engine's: what blocks leave for later ones (Kimi K3), a cache of f32 that flash
# attention converts (Falcon H1, Nemotron H), experts a token by block (Nemotron H MoE), a sum that stands where one of
# its parts was copied to (Qwen).
DRAWN = (
    *("kimi-k3 1 6", "falcon-h1 1 2", "nemotron_h 77 8", "nemotron_h_moe 77 0"),
    "minimax-01 5 9",  # weights of every token for every other, before and after their decay
    *("qwen35moe 77 19", "qwen35moe 3 15", "qwen3next 1 0", "qwen3next 1 9"),
)


@pytest.mark.parametrize("draw", DRAWN)
def test_no_compute_buffer_is_planned_below_the_engine(prober: EngineProber, draw: str) -> None:
    dice = Random(draw)
    model = drawn(draw.split(maxsplit=1)[0], dice)

    for settings, gpus in placed(model, dice):
        assert differences(prober, model, settings, gpus) == []


def test_every_family_that_keeps_a_state_is_drawn() -> None:
    """The golden files know them all: whatever has a state there is here too."""
    from tests.contract.test_arch import MODELS, typed

    from aidx.model import arch

    keeping = set()
    for _, record in MODELS:
        name = record["metadata"]["general.architecture"]
        family = arch.find(name)
        assert family is not None
        if any(layer.conv_state or layer.recurrent_state for layer in family.layers(typed(record["metadata"]))):
            keeping.add(name)
    assert keeping == set(DRAWS)
