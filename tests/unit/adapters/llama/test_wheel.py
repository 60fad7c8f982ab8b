"""The wheel is found without importing it, and only the pinned one will do."""

import sys
from pathlib import Path

import pytest

from aidx.adapters.llama.wheel import PINNED, find_wheel
from aidx.errors import EngineError


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages with a complete wheel of the pinned version."""
    (tmp_path / "xllamacpp").mkdir()
    (tmp_path / "xllamacpp" / "__init__.py").write_text("raise RuntimeError('was imported')")
    (tmp_path / "xllamacpp" / "xllamacpp.abi3.so").touch()
    (tmp_path / f"xllamacpp-{PINNED}.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)  # find_spec believes what is loaded already
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("os.uname", lambda: type("Name", (), {"machine": "x86_64"}))
    return tmp_path


def failure() -> str:
    with pytest.raises(EngineError) as caught:
        find_wheel()
    assert "--fast" in caught.value.hint
    return str(caught.value)


def test_the_pinned_wheel_is_found(site):
    wheel = find_wheel()

    assert wheel.library == site / "xllamacpp" / "xllamacpp.abi3.so"
    assert wheel.build == f"xllamacpp {PINNED}"


def test_a_build_for_a_gpu_is_the_same_version(site):
    (site / f"xllamacpp-{PINNED}.dist-info").rename(site / f"xllamacpp-{PINNED}+cu128.dist-info")

    assert find_wheel().build == f"xllamacpp {PINNED}+cu128"


def test_another_version_is_named(site):
    (site / f"xllamacpp-{PINNED}.dist-info").rename(site / "xllamacpp-2027.1.1.dist-info")

    assert failure() == f"xllamacpp 2027.1.1 is installed, and {PINNED} is known"


def test_a_version_that_nobody_states_is_not_trusted(site):
    (site / f"xllamacpp-{PINNED}.dist-info").rmdir()

    assert failure() == f"xllamacpp of an unknown version is installed, and {PINNED} is known"


def test_a_missing_package_is_named(tmp_path, site, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path / "empty")])

    assert failure() == "xllamacpp is not installed"


def test_a_wheel_without_a_library_is_named(site):
    (site / "xllamacpp" / "xllamacpp.abi3.so").unlink()

    assert failure().startswith(f"xllamacpp {PINNED} has no shared library in ")


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64")])
def test_other_machines_are_named(site, monkeypatch, system, machine):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("os.uname", lambda: type("Name", (), {"machine": machine}))

    assert failure() == f"the engine can be asked on linux x86_64 only, not on {system} {machine}"


def test_a_system_without_uname_is_named(site, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr("os.uname")

    assert failure() == "the engine can be asked on linux x86_64 only, not on win32"
