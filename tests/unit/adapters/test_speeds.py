"""What was measured is kept, what is damaged is not believed."""

import pytest

from aidx.adapters import cachedir, speeds
from aidx.plan.speed import Timing


@pytest.fixture(autouse=True)
def _own(monkeypatch, tmp_path):
    monkeypatch.setenv("AIDX_CACHE_DIR", str(tmp_path))


def test_the_last_of_each_is_kept():
    assert speeds.read() == {}
    speeds.keep("a", Timing(20, 10.0))
    speeds.keep("b", Timing(20, 5.0))
    speeds.keep("a", Timing(40, 12.5))

    assert speeds.read() == {"a": Timing(40, 12.5), "b": Timing(20, 5.0)}


def test_too_few_tokens_say_nothing():
    assert not speeds.keep("a", Timing(speeds.LEAST_TOKENS - 1, 10.0))
    assert not speeds.keep("a", Timing(100, 0.0))
    assert not speeds.keep("a", Timing(100, float("nan")))
    assert speeds.read() == {}


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b'{"version":2,"speeds":{}}', b'{"version":1,"speeds":{"a":[1]}}', b"\xff\xfe"]
)
def test_a_damaged_file_is_no_measurement_and_is_written_anew(tmp_path, damaged):
    (tmp_path / speeds.NAME).write_bytes(damaged)

    assert speeds.read() == {}
    assert speeds.keep("a", Timing(20, 10.0))
    assert speeds.read() == {"a": Timing(20, 10.0)}


def test_what_cannot_be_is_left_out(tmp_path):
    (tmp_path / speeds.NAME).write_bytes(b'{"version":1,"speeds":{"a":[0,1.0],"b":[9,-1.0],"c":[9,1e99],"d":[20,2.0]}}')

    assert speeds.read() == {"d": Timing(20, 2.0)}


def test_old_ones_make_room(monkeypatch):
    monkeypatch.setattr(speeds, "MOST", 3)
    for name in "abcd":
        speeds.keep(name, Timing(20, 1.0))

    assert list(speeds.read()) == ["b", "c", "d"]


def test_without_a_cache_nothing_is_kept(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for place in (None, tmp_path / "file"):
        monkeypatch.setattr(cachedir, "cache_dir", lambda place=place: place)
        assert not speeds.keep("a", Timing(20, 1.0))
        assert speeds.read() == {}


@pytest.mark.parametrize(
    ("system", "environment", "folder"),
    [
        ("linux", {"AIDX_CACHE_DIR": "/x"}, "/x"),
        ("linux", {"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/aidx"),
        ("linux", {"HOME": "/h"}, "/h/.cache/aidx"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/aidx"),
        ("linux", {}, None),
        ("win32", {}, None),
    ],
)
def test_each_system_has_its_place_for_caches(monkeypatch, system, environment, folder):
    for name in ("AIDX_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cachedir.sys, "platform", system)

    found = cachedir.cache_dir()

    assert (found if found is None else found.as_posix()) == folder
