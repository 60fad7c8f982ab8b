"""Tokens a second: from bytes and bandwidth, or as measured."""

import pytest
from msgspec.structs import replace

from aidx.adapters.catalogue import read_catalogue
from aidx.budget.settings import Settings
from aidx.model.blueprint import from_catalogue
from aidx.model.catalogue import find
from aidx.plan.devices import Device, Machine, host, wished_gpu
from aidx.plan.ledger import Desk
from aidx.plan.speed import Pace, Timing, expected, speed_key

GIB = 1 << 30


def speed(name="qwen2.5-coder-14b", quant="Q4_K_M", *, layers=999, vram=24, pace=None, ctx=8192, machine=None):
    model = from_catalogue(find(read_catalogue(), name).entry, quant)
    machine = machine or Machine(host(64 * GIB), (wished_gpu(vram * GIB),) if vram else ())
    desk = Desk(model, machine, fast=True)
    settings = Settings(ctx_size=ctx, n_gpu_layers=min(layers, model.block_count + 1) if vram else 0)
    reads = desk.reads(settings)
    found = expected(model, settings, machine, ledger=desk.closed(settings), reads=reads, pace=pace or Pace())
    return found, reads


def at(rate):
    return Pace(bandwidth=lambda device: rate if device.kind == "gpu" else None)


def test_weights_half_the_cache_and_bandwidth_make_the_speed():
    """14B Q4_K_M reads 8,544,198,656 B (the engine's model buffer) and half of 1,536 MiB; 0.755 x 0.75 arrive."""
    found, reads = speed(pace=at(360_000_000_000))

    assert reads["gpu0"] == 8_544_198_656
    assert found.tokens_per_second == pytest.approx(360e9 * 0.755 * 0.75 / (8_544_198_656 + (768 << 20)))
    assert found.grade == "assumed"
    assert "360 GB/s" in found.why


def test_twice_the_bandwidth_is_twice_the_speed():
    one, two = speed(pace=at(400 * 10**9))[0], speed(pace=at(800 * 10**9))[0]

    assert two.tokens_per_second == pytest.approx(2 * one.tokens_per_second)


def test_a_longer_context_and_layers_on_the_host_are_slower():
    whole, longer, split, cpu = (
        speed(ctx=ctx, layers=layers, vram=vram)[0].tokens_per_second
        for ctx, layers, vram in ((8192, 99, 24), (32768, 99, 24), (8192, 20, 24), (8192, 0, 0))
    )

    assert whole > longer > split > cpu


def test_only_active_experts_are_read():
    """Qwen3-Coder-30B-A3B uses 8 of 128 experts; its card says 3.3B of 30.5B parameters are active."""
    _, reads = speed("qwen3-coder-30b-a3b", "F16")

    assert reads["gpu0"] / 2 == pytest.approx(3.3e9 - 151_936 * 2048, rel=0.05)  # F16, without the embeddings


def test_a_tied_embedding_is_read_as_output_and_another_is_not():
    tied, reads = speed("llama-3.2-1b", "F16")
    _, untied = speed("qwen2.5-coder-7b", "F16")

    assert reads["gpu0"] == pytest.approx(2 * 1_235_814_432, rel=0.001)
    assert untied["gpu0"] == pytest.approx(2 * (7_615_616_512 - 152_064 * 3584), rel=0.001)
    assert tied.tokens_per_second > 0


@pytest.mark.parametrize(("vram", "rate"), [(8, 240), (12, 360), (16, 288), (24, 936), (32, 1792), (80, 2039)])
def test_an_unknown_card_is_taken_for_the_slowest_of_its_size(vram, rate):
    found, _ = speed("llama-3.2-1b", vram=vram)

    assert f"at {rate} GB/s (the slowest usual card of its size)" in found.why


def test_what_was_measured_on_this_machine_is_taken_for_the_same_settings_only():
    card = Device("gpu0", "gpu", 24 * GIB, label="A card")
    here = Machine(host(64 * GIB, used=GIB), (card,))
    model = from_catalogue(find(read_catalogue(), "qwen2.5-coder-14b").entry)
    key = speed_key(model, Settings(ctx_size=1, n_gpu_layers=49), here)
    pace = Pace(measured={key: Timing(64, 31.5)}.get)

    assert speed(machine=here, pace=pace)[0].tokens_per_second == 31.5
    assert speed(machine=here, pace=pace)[0].grade == "measured"
    for other in (speed(machine=here, pace=pace, layers=40), speed(machine=here, pace=pace, quant="Q8_0")):
        assert other[0].grade == "assumed"


def test_a_machine_that_is_not_here_has_no_measurements():
    model = from_catalogue(find(read_catalogue(), "qwen2.5-coder-14b").entry)
    settings = Settings(ctx_size=256)
    here = Machine(host(64 * GIB, used=GIB))

    assert speed_key(model, settings, here) is not None
    assert speed_key(model, settings, Machine(host(64 * GIB))) is None
    assert speed_key(model, settings, replace(here, gpus=(wished_gpu(12 * GIB),))) is None
