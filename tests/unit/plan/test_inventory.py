from aidx.plan.devices import Device, Machine, host
from aidx.plan.inventory import Seen, Sight, as_json, blind, lines

GIB = 1 << 30
GPU = Device("gpu0", "gpu", 12 * GIB, used=GIB, overhead=GIB // 2, label="NVIDIA A", bandwidth=360 * 10**9)
MACHINE = Machine(host(16 * GIB), (GPU,), ("read this",))
CPU = Sight("embedded", "build 1", (Seen("CPU", "cpu", "a CPU"),), fix="install another build")


def test_each_device_has_a_line_and_the_engine_says_what_it_sees():
    text = "\n".join(lines(MACHINE, [CPU]))
    assert text.startswith("note: read this\ngpu0  NVIDIA A: 12.00 GiB, others use 1.00 GiB, usable 11.00 GiB; ")
    assert "driver 0.50 GiB (assumed), 360 GB/s" in text
    assert "engine embedded (build 1): the CPU only\n  install another build" in text


def test_an_engine_that_sees_the_gpu_or_could_not_be_asked_needs_no_fix():
    seeing = Sight("embedded", "build 1", (Seen("CUDA0", "gpu", "A"),), fix="no")
    silent = Sight("embedded", "", reason="not installed", fix="no")
    assert not blind(MACHINE, seeing)
    assert not blind(MACHINE, silent)
    assert not blind(Machine(host(GIB)), CPU)
    text = "\n".join(lines(MACHINE, [seeing, silent]))
    assert "CUDA0 (A) and the CPU" in text
    assert "could not be asked: not installed" in text
    assert "no\n" not in text


def test_the_object_says_the_same():
    found = as_json(MACHINE, [CPU])
    assert found["schema"] == "aidx.devices/1"
    assert [device["usable_bytes"] for device in found["devices"]] == [11 * GIB, 16 * GIB]
    assert found["engines"][0]["fix"] == "install another build"
    assert found["notes"] == ["read this"]
