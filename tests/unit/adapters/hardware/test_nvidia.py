"""NVML played by hand: the same functions, the binding's own errors."""

from types import SimpleNamespace

import pynvml
import pytest

from aidx.adapters.hardware import nvidia

MIB = 1 << 20


class Nvml:
    """*cards* are (name, total, used, MIG) or the error that reading one raises."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *cards, fails=None):
        self.cards, self.fails, self.open = cards, fails, False

    def nvmlInit(self):  # noqa: N802 - NVML's names
        if self.fails is not None:
            raise self.NVMLError(self.fails)
        self.open = True

    def nvmlShutdown(self):  # noqa: N802
        self.open = False

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if isinstance(self.cards[index], int):
            raise self.NVMLError(self.cards[index])
        return index

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        _, total, used, _ = self.cards[handle]
        return SimpleNamespace(total=total * MIB, used=used * MIB)

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return self.cards[handle][0]

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}f00"

    def nvmlDeviceGetMigMode(self, handle):  # noqa: N802
        mode = self.cards[handle][3]
        if mode is None:
            raise self.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return mode, mode


RTX = ("NVIDIA GeForce RTX 3060", 12288, 310, None)
OLD = (b"Tesla T4", 15360, 0, None)
A100 = ("NVIDIA A100-SXM4-40GB", 40960, 0, 1)


def test_the_functions_are_the_binding_s():
    for name in vars(Nvml):
        if name.startswith("nvml"):
            assert callable(getattr(pynvml, name))


def test_every_card_is_read_with_what_others_use():
    nvml = Nvml(RTX, RTX)
    found = nvidia.read(nvml)
    assert [(gpu.name, gpu.total, gpu.used) for gpu in found.gpus] == [
        ("gpu0", 12288 * MIB, 310 * MIB),
        ("gpu1", 12288 * MIB, 310 * MIB),
    ]
    assert found.notes == ()
    assert not nvml.open


def test_cards_of_several_kinds_say_how_the_engine_numbers_them():
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in nvidia.read(Nvml(RTX, OLD)).notes[0]
    assert nvidia.read(Nvml(RTX, OLD), order="PCI_BUS_ID").notes == ()
    assert nvidia.read(Nvml(OLD)).gpus[0].label == "NVIDIA Tesla T4"


@pytest.mark.parametrize(
    "fault", [pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_NO_PERMISSION]
)
def test_nvml_that_cannot_be_used_is_a_note(fault):
    found = nvidia.read(Nvml(RTX, fails=fault))
    assert found.gpus == ()
    assert found.notes[0].startswith("NVIDIA GPUs cannot be read (")
    assert "\n" not in found.notes[0]
    assert "--vram" in found.notes[0]


def test_a_card_that_may_not_be_read_is_a_note_and_the_others_are_read():
    found = nvidia.read(Nvml(pynvml.NVML_ERROR_NO_PERMISSION, RTX))
    assert [gpu.name for gpu in found.gpus] == ["gpu0"]
    assert "NVIDIA GPU 0 cannot be read" in found.notes[0]


def test_a_card_in_mig_mode_is_not_planned_for_and_says_so():
    found = nvidia.read(Nvml(A100))
    assert found.gpus == ()
    assert "MIG mode" in found.notes[0]


@pytest.mark.parametrize(
    ("visible", "used"),
    [("1", [20]), ("1,0", [20, 10]), ("GPU-1", [20]), ("0,7,1", [10]), ("nonsense", []), ("", [])],
)
def test_only_what_cuda_shows_a_process_counts(visible, used):
    first, second = ("NVIDIA A", 100, 10, None), ("NVIDIA A", 100, 20, None)
    found = nvidia.read(Nvml(first, second), visible)
    assert [gpu.used // MIB for gpu in found.gpus] == used
    assert bool(found.notes) == (not used)
