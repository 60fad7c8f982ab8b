"""The card table: every row has its sources, and names are found as people write them."""

import re

import pytest

from aidx.adapters.cards import read_cards, read_chips
from aidx.errors import InputError
from aidx.plan.cards import device, find, known, match
from aidx.plan.devices import ASSUMED_DRIVER, MIB, Device, bandwidth

CARDS, CHIPS = read_cards(), read_chips()
GIB = 1 << 30


def test_each_row_has_a_source_for_each_figure():
    assert len(CARDS) >= 45
    assert len({card.name for card in CARDS}) == len(CARDS)
    for card in (card for card in CARDS if not card.unified):
        size = int(re.search(r"-(\d+)gb$", card.name)[1])
        assert 0.9 * size * GIB <= card.memory <= 1.01 * size * GIB, card
        assert card.memory_source
        assert card.bandwidth_source
        assert (card.driver is None) == (card.driver_source is None)
        assert card.measured != card.memory_source.startswith("nominal")
        assert 100 * 10**9 < card.bandwidth < 6000 * 10**9


@pytest.mark.parametrize(
    ("name", "mib", "gbs"),
    [("rtx-3060-12gb", 12288, 360), ("rtx-4070-12gb", 12282, 504), ("l4-24gb", 23034, 300), ("t4-16gb", 15360, 320)],
)
def test_published_figures(name, mib, gbs):
    """nvidia-smi as published; bandwidth as NVIDIA's data sheets state it."""
    card = find(CARDS, name)
    assert (card.memory, card.bandwidth) == (mib * MIB, gbs * 10**9)


@pytest.mark.parametrize(
    "name", ["rtx-3060-12gb", "RTX 3060 12GB", "NVIDIA GeForce RTX 3060 12 GB", "rtx3060-12g", "3060-12gb"]
)
def test_a_name_may_be_written_as_people_write_it(name):
    assert find(CARDS, name).name == "rtx-3060-12gb"


def test_a_card_of_which_there_is_one_needs_no_size():
    assert find(CARDS, "rtx-4090").name == "rtx-4090-24gb"
    assert find(CARDS, "7900 xtx").name == "rx-7900-xtx-24gb"


def test_a_name_of_several_cards_lists_them():
    with pytest.raises(InputError, match=r"may be rtx-3060-12gb or rtx-3060-8gb") as error:
        find(CARDS, "rtx-3060")
    assert "rtx-3060-12gb" in error.value.hint


def test_an_unknown_card_names_the_nearest():
    with pytest.raises(InputError, match=r"unknown GPU 'rtx-3061-12gb' \(close: rtx-3060-12gb") as error:
        find(CARDS, "rtx-3061-12gb")
    assert "--vram" in error.value.hint
    with pytest.raises(InputError, match="unknown GPU ''"):
        find(CARDS, "")


def test_the_driver_s_memory_comes_from_the_table_or_is_assumed_or_given():
    sourced = device(find(CARDS, "rtx-3090"), 0)
    assert (sourced.overhead, sourced.overhead_grade) == (256 * MIB, "assumed")
    assert "InvokeAI" in sourced.overhead_why
    assert device(find(CARDS, "rtx-3060-12gb"), 1).overhead == ASSUMED_DRIVER
    assert device(find(CARDS, "rtx-3090"), 1, driver=MIB).overhead == MIB


def test_a_gpu_that_is_here_is_known_by_its_own_name_and_size():
    here = Device("gpu0", "gpu", 12288 * MIB, label="NVIDIA GeForce RTX 3060")
    assert bandwidth(known(CARDS, CHIPS, here)) == 360 * 10**9
    assert match(CARDS, "NVIDIA GeForce RTX 3060", 8192 * MIB).name == "rtx-3060-8gb"
    assert match(CARDS, "NVIDIA A100-SXM4-80GB", 81920 * MIB) is None
    assert match(CARDS, "NVIDIA GeForce RTX 4090 Laptop GPU", 16376 * MIB) is None
    assert bandwidth(known(CARDS, CHIPS, Device("gpu0", "gpu", GIB, label="Apple M1"))) == 68 * 10**9
    assert bandwidth(known(CARDS, CHIPS, Device("gpu0", "gpu", GIB, label="AMD card0"))) is None


def test_chips_that_share_the_ram_have_a_rule_and_its_source_in_each_size():
    shared = [card for card in CARDS if card.unified]
    assert {card.vendor for card in shared} == {"Apple", "AMD", "NVIDIA"}
    for generation in range(1, 6):
        assert [card for card in shared if card.chip == f"M{generation}"]
    for card in shared:
        assert 0 < card.unified <= card.memory <= card.ram + 512 * MIB, card
        assert card.unified <= card.ram
        assert not card.measured
        assert "#" in card.memory_source
        assert card.rule
        assert card.bandwidth_source
        assert match(CARDS, f"{card.vendor} {card.chip}", card.memory) is None


@pytest.mark.parametrize(
    ("name", "mib"),
    [
        ("apple-m1-16gb", 10_922),
        ("Apple M2 Max 32GB", 21_845),
        ("m3-max-36gb", 27_648),
        ("m2-max-96gb", 73_728),
        ("ryzen-ai-max-395-128gb", 512 + 65_280),
        ("AMD Ryzen AI Max+ 395 128GB", 512 + 65_280),
        ("strix-halo-128gb", 512 + 65_280),
        ("radeon-8060s-128gb", 512 + 65_280),
        ("dgx-spark", 124_611),
    ],
)
def test_what_their_gpus_may_take_is_what_was_seen_of_them(name, mib):
    """recommendedMaxWorkingSetSize and CUDA's total from public logs; amdgpu's default as its source has it."""
    assert find(CARDS, name).memory // MIB == mib


def test_a_chip_of_several_sizes_lists_them():
    with pytest.raises(InputError, match=r"may be apple-m4-max-36gb, apple-m4-max-48gb, .* or apple-m4-max-128gb"):
        find(CARDS, "M4 Max")
