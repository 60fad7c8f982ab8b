"""What ``sysctl`` prints on Apple silicon."""

import pytest

from aidx.adapters.hardware import apple

GIB = 1 << 30
MIB = 1 << 20


def printed(memory, chip="Apple M1", wired=0):
    return f"hw.memsize: {memory}\nmachdep.cpu.brand_string: {chip}\niogpu.wired_limit_mb: {wired}\n"


def test_an_m1_with_16_gib_may_wire_two_thirds():
    """llama.cpp logs recommendedMaxWorkingSetSize = 10922.67 MiB on it."""
    found = apple.read(lambda _: printed(16 * GIB))
    (gpu,) = found.gpus
    assert "assumed" in found.notes[0]
    assert gpu.total / MIB == pytest.approx(10922.67, abs=0.01)
    assert gpu.unified == gpu.total
    assert gpu.label == "Apple M1"
    assert "assumed" in gpu.total_why


def test_an_m1_max_with_64_gib_may_wire_three_quarters():
    """48 GiB were measured."""
    assert apple.read(lambda _: printed(64 * GIB, "Apple M1 Max")).gpus[0].total == 48 * GIB


def test_a_limit_that_was_set_is_the_limit():
    found = apple.read(lambda _: printed(16 * GIB, wired=14336))
    (gpu,) = found.gpus
    assert found.notes == ()
    assert gpu.total == 14336 * MIB
    assert gpu.total_why == "what the GPU may wire: iogpu.wired_limit_mb"


def test_older_systems_do_not_know_the_key():
    text = f"hw.memsize: {16 * GIB}\nmachdep.cpu.brand_string: Apple M1\n"
    assert apple.read(lambda _: text).gpus[0].total == 16 * GIB * 2 // 3


@pytest.mark.parametrize("text", ["", printed(16 * GIB, "Intel(R) Core(TM) i7"), "gibberish"])
def test_no_apple_chip_no_gpu(text):
    assert apple.read(lambda _: text) == apple.Found()


def test_an_unreadable_size_is_a_note():
    found = apple.read(lambda _: "machdep.cpu.brand_string: Apple M4\n")
    assert found.gpus == ()
    assert "--vram" in found.notes[0]
