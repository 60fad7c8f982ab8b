"""Memory of AMD cards from ``fdinfo``, in texts as the kernel's documentation and amdgpu have them."""

import pytest

from aidx.adapters.sampling.drm import Client, DrmUse, parse, use
from aidx.adapters.sampling.nvidia import NoUse

CARD, OTHER = "0000:03:00.0", "0000:0a:00.0"
AMDGPU = f"""\
pos:\t0
flags:\t02100002
mnt_id:\t26
ino:\t1122
drm-driver:\tamdgpu
drm-client-id:\t56
drm-pdev:\t{CARD}
pasid:\t32791
drm-total-vram:\t4194304 KiB
drm-shared-vram:\t0
drm-memory-vram:\t4097024 KiB
drm-memory-gtt: \t2048 KiB
drm-memory-cpu: \t0 KiB
drm-resident-vram:\t4097024 KiB
amd-requested-vram:\t4194304 KiB
drm-engine-gfx:\t1234 ns
"""
GIB = 1 << 30


def text(pdev=CARD, ident=56, size="drm-memory-vram:\t1048576 KiB"):
    return f"pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t{ident}\ndrm-pdev:\t{pdev}\n{size}\n"


def test_a_client_s_memory_is_read_from_either_name():
    assert parse(AMDGPU) == Client(CARD, "56", 4097024 << 10)
    assert parse(text()) == Client(CARD, "56", GIB)


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ("drm-resident-vram:\t7 MiB", 7 << 20),
        ("drm-resident-vram:\t4096", 4096),
        ("drm-resident-vram:\t0", 0),
        ("drm-resident-vram:\tmuch KiB", None),
        ("drm-resident-vram:\t7 pages", None),
        ("drm-memory-gtt:\t7 KiB", None),
    ],
)
def test_units_are_as_told_and_what_is_not_told_is_not_zero(line, held):
    assert parse(text(size=line)).held == held


def test_a_file_that_is_no_card_s_says_nothing():
    assert parse("pos:\t0\nflags:\t02\nmnt_id:\t26\n") is None


@pytest.fixture
def proc(tmp_path):
    def write(pid, *files):
        folder = tmp_path / str(pid) / "fdinfo"
        folder.mkdir(parents=True)
        for number, each in enumerate(files):
            (folder / str(number)).write_text(each)

    write(1, "pos:\t0\n", AMDGPU, AMDGPU, text(OTHER, 56))
    write(2, text(ident=57))
    write(3, text(ident=58, size=""))
    return tmp_path


def test_a_client_counts_once_however_often_it_is_open(proc):
    seen = DrmUse({CARD: "gpu0", OTHER: "gpu1"}, proc)

    assert seen(frozenset({1})) == {"gpu0": 4097024 << 10, "gpu1": GIB}
    assert seen(frozenset({1, 2})) == {"gpu0": (4097024 << 10) + GIB, "gpu1": GIB}
    assert seen(frozenset({9})) == {"gpu0": 0, "gpu1": 0}, "a process that has ended holds nothing"


def test_a_card_of_which_one_of_ours_tells_nothing_is_left_out(proc):
    seen = DrmUse({CARD: "gpu0", OTHER: "gpu1"}, proc)

    assert seen(frozenset({1, 3})) == {"gpu1": GIB}


def test_cards_are_numbered_as_the_planner_numbers_them(tmp_path):
    assert isinstance(use(tmp_path), NoUse)
    for name, pdev, memory in (("card0", OTHER, False), ("card1", CARD, True)):
        real = tmp_path / "devices" / pdev
        real.mkdir(parents=True)
        if memory:
            (real / "mem_info_vram_total").write_text("1")
        (tmp_path / name).mkdir()
        (tmp_path / name / "device").symlink_to(real)
    found = use(tmp_path)

    assert isinstance(found, DrmUse)
    assert found(frozenset()) == {"gpu0": 0}
