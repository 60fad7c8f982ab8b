"""AMD cards, control groups: folders as the kernel lays them out."""

import pytest

from aidx.adapters.hardware import amd, memory
from aidx.adapters.hardware.memory import Limit

GIB = 1 << 30


def card(root, name, **files):
    folder = root / name / "device"
    folder.mkdir(parents=True)
    for key, value in files.items():
        (folder / key).write_text(f"{value}\n")
    return folder


def test_a_card_with_its_own_memory(tmp_path):
    card(
        tmp_path,
        "card0",
        mem_info_vram_total=16 * GIB,
        mem_info_vram_used=GIB,
        mem_info_gtt_total=15 * GIB,
        mem_info_gtt_used=0,
        mem_busy_percent=0,
        device="0x7480",
    )
    (gpu,) = amd.find(tmp_path).gpus
    assert (gpu.total, gpu.used, gpu.unified) == (16 * GIB, GIB, 0)


def test_an_apu_has_its_carve_out_and_what_it_may_take_of_the_ram(tmp_path):
    """Figures of llama.cpp #19818: 6 GiB of firmware memory beside 40 GiB of GTT."""
    card(
        tmp_path,
        "card1",
        mem_info_vram_total=6 * GIB,
        mem_info_vram_used=GIB,
        mem_info_gtt_total=40 * GIB,
        mem_info_gtt_used=GIB // 2,
        device="0x150e",
    )
    (gpu,) = amd.find(tmp_path).gpus
    assert (gpu.total, gpu.used, gpu.unified) == (46 * GIB, 3 * GIB // 2, 40 * GIB)
    assert "ROCm the first alone" in gpu.total_why


def test_vega_10_has_no_counter_of_busy_memory_and_is_no_apu(tmp_path):
    card(
        tmp_path,
        "card0",
        mem_info_vram_total=8 * GIB,
        mem_info_vram_used=0,
        mem_info_gtt_total=GIB,
        mem_info_gtt_used=0,
        device="0x687f",
    )
    assert amd.find(tmp_path).gpus[0].unified == 0


def test_other_makers_cards_and_damaged_files(tmp_path):
    card(tmp_path, "card0", vendor="0x10de")
    card(tmp_path, "card1", mem_info_vram_total="much", mem_info_vram_used=0)
    found = amd.find(tmp_path)
    assert found.gpus == ()
    assert found.notes[0].startswith("AMD card1 cannot be read (")
    assert amd.find(tmp_path / "absent") == amd.Found()


def groups(root, mine, **files):
    """*files* with ``__`` for a slash below the control groups' root; *mine* is what /proc/self/cgroup says."""
    for key, value in files.items():
        path = root / key.replace("__", "/").replace("memory_", "memory.").replace("mem/", "memory/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    said = root / "self"
    said.write_text(mine)
    return sorted(memory.limits(root, said))


def test_a_container_s_limit_counts_without_pages_that_are_idle(tmp_path):
    found = groups(
        tmp_path,
        "0::/\n",
        memory_max=4 * GIB,
        memory_current=3 * GIB,
        memory_stat=f"anon {GIB}\ninactive_file {GIB}\nactive_file 0",
    )
    assert found == [Limit(4 * GIB, 2 * GIB)]


def test_groups_around_ours_count_too(tmp_path):
    found = groups(
        tmp_path,
        "0::/user/service\n",
        user__service__memory_max="max",
        user__service__memory_current=GIB,
        user__memory_max=2 * GIB,
        user__memory_current=GIB,
    )
    assert found == [Limit(2 * GIB, GIB)]


def test_version_1(tmp_path):
    found = groups(
        tmp_path,
        "9:memory:/docker/abc\n1:name=systemd:/\n",
        mem__memory_limit_in_bytes=GIB,
        mem__memory_usage_in_bytes=GIB // 2,
    )
    assert found == [Limit(GIB, GIB // 2)]


def test_the_group_that_leaves_least_decides():
    host = memory.bounded(16 * GIB, 2 * GIB, [Limit(8 * GIB, GIB), Limit(4 * GIB, 3 * GIB)])
    assert (host.total, host.used) == (4 * GIB, 3 * GIB)


@pytest.mark.parametrize("limits", [[], [Limit(1 << 62, GIB)]])
def test_a_limit_above_the_machine_s_memory_is_none(limits):
    host = memory.bounded(16 * GIB, 2 * GIB, limits)
    assert (host.total, host.used) == (16 * GIB, 2 * GIB)


def test_this_machine_can_be_read():
    host = memory.read()
    assert host.name == "host"
    assert 0 <= host.used <= host.total
