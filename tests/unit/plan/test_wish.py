import pytest
from msgspec.structs import replace

from aidx.adapters.cards import read_cards
from aidx.errors import InputError
from aidx.plan.devices import ASSUMED_DRIVER, Device, Machine, host
from aidx.plan.wish import Wish, granted, together

GIB = 1 << 30
HERE = Machine(host(16 * GIB, used=4 * GIB), (Device("gpu0", "gpu", 8 * GIB, used=GIB, label="NVIDIA A"),), ("seen",))


def wanted(wish):
    return granted(wish, here=lambda: HERE, ram=lambda: HERE.host, cards=read_cards)


def test_without_a_wish_it_is_this_machine():
    assert wanted(Wish()) == HERE


def test_sizes_are_gpus_in_order():
    found = wanted(Wish(vram=(12 * GIB, 8 * GIB)))
    assert [(gpu.name, gpu.total, gpu.overhead) for gpu in found.gpus] == [
        ("gpu0", 12 * GIB, ASSUMED_DRIVER),
        ("gpu1", 8 * GIB, ASSUMED_DRIVER),
    ]
    assert found.host == HERE.host


def test_cards_by_name_may_be_equal():
    found = wanted(Wish(cards=("rtx-3060-12gb", "rtx-3060-12gb"), host_ram=32 * GIB))
    assert [gpu.name for gpu in found.gpus] == ["gpu0", "gpu1"]
    assert found.host.total == 32 * GIB


def test_zero_is_the_cpu_alone():
    assert wanted(Wish(vram=(0,))).gpus == ()


def test_the_driver_s_memory_may_be_given_for_gpus_that_are_here():
    assert wanted(Wish(driver=GIB)).gpus[0].overhead == GIB


def test_total_ignores_others():
    found = wanted(Wish(total=True))
    assert (found.host.used, found.gpus[0].used) == (0, 0)


@pytest.mark.parametrize(
    "wish",
    [
        Wish(vram=(GIB,), cards=("rtx-4090",)),
        Wish(vram=(0, GIB)),
        Wish(vram=(0,), driver=GIB),
        Wish(cards=("rtx-3060",)),
    ],
)
def test_contradictions_are_refused_with_a_hint(wish):
    with pytest.raises(InputError) as error:
        wanted(wish)
    assert error.value.hint


def test_all_gpus_of_one_maker_are_used_and_numbered_in_order():
    two = [Device(f"gpu{n}", "gpu", 8 * GIB, label=f"NVIDIA {n}") for n in range(2)]
    other = Device("gpu0", "gpu", 4 * GIB, label="AMD card1")
    gpus, notes = together([other, *two], ["first"])
    assert [(gpu.name, gpu.label) for gpu in gpus] == [("gpu0", "NVIDIA 0"), ("gpu1", "NVIDIA 1")]
    assert notes == ("first", "AMD card1 is not planned for: the engine uses the NVIDIA GPUs")


def test_an_integrated_gpu_is_used_only_where_there_is_no_other():
    apu = Device("gpu0", "gpu", 48 * GIB, label="AMD card0", unified=40 * GIB)
    own = Device("gpu0", "gpu", 8 * GIB, label="AMD card1")
    assert [gpu.label for gpu in together([apu, own], [])[0]] == ["AMD card1"]
    assert [gpu.label for gpu in together([apu], [])[0]] == ["AMD card0"]
    assert together([], []) == ((), ())


def test_what_a_gpu_takes_of_the_ram_is_no_longer_the_host_s():
    from aidx.budget.ledger import Entry

    apple = Device("gpu0", "gpu", 10 * GIB, unified=10 * GIB)
    machine = Machine(Device("host", "host", 16 * GIB), (apple,))
    ledger = machine.ledger({"gpu0": (Entry("weights", 9 * GIB, "", "exact"),)})
    assert ledger.account("host").usable == 7 * GIB
    assert ledger.holds
    entry = Entry("output", 8 * GIB, "", "exact")
    assert not machine.ledger({"gpu0": (Entry("weights", 9 * GIB, "", "exact"),), "host": (entry,)}).holds

    carved = replace(apple, unified=6 * GIB)  # 4 GiB are the GPU's alone
    ledger = Machine(machine.host, (carved,)).ledger({"gpu0": (Entry("weights", 5 * GIB, "", "exact"),)})
    assert ledger.account("host").usable == 15 * GIB
