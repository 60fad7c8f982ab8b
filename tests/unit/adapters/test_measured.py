"""What was measured is kept, found again, bounded, and forgotten; a damaged file costs the measurements only."""

import pytest

from aidx.adapters import measured
from aidx.adapters.statedir import state_dir
from aidx.plan.calibration import Calibration
from aidx.plan.proven import Proven

KNOWN = Calibration(40 << 20, 4096, "2026-11-28", "xllamacpp 1", {"X": 5})
PROOF = Proven("HOLDS", "peak 1 of 2", "2026-11-28", "xllamacpp 1")


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("AIDX_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def test_what_was_kept_is_found_and_forgotten():
    assert measured.calibrations() == {}
    assert measured.calibrate("one", KNOWN)
    assert measured.calibrate("two", KNOWN)
    assert measured.calibrations() == {"one": KNOWN, "two": KNOWN}
    assert measured.clear() == 2
    assert measured.calibrations() == {}
    assert measured.clear() == 0


def test_the_last_measurement_stands_and_the_table_is_bounded(monkeypatch):
    monkeypatch.setattr(measured, "MOST", 3)
    for number in range(5):
        measured.calibrate(str(number), Calibration(number + 1, 1, "d", "b"))
    measured.calibrate("3", KNOWN)

    assert list(measured.calibrations()) == ["2", "4", "3"]
    assert measured.calibrations()["3"] == KNOWN


def test_proofs_are_kept_by_plan():
    assert measured.proof("0123456789abcdef") is None
    assert measured.keep_proof("0123456789abcdef", PROOF)
    assert measured.proof("0123456789abcdef") == PROOF
    assert measured.proof("f" * 16) is None
    assert measured.proofs() == 1


def test_a_hash_that_is_none_names_no_file():
    assert not measured.keep_proof("../../etc/passwd", PROOF)
    assert measured.proof("../x") is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version":2,"calibrations":{}}', b"\xff" * 10])
def test_a_damaged_file_is_no_measurement(state, data):
    state.mkdir(parents=True)
    (state / "calibration.json").write_bytes(data)
    (state / "proofs").mkdir()
    (state / "proofs" / f"{'a' * 16}.json").write_bytes(data)

    assert measured.calibrations() == {}
    assert measured.proof("a" * 16) is None


def test_figures_that_cannot_be_are_left_out():
    measured.calibrate("bad", Calibration(-1, 1, "d", "b"))

    assert measured.calibrations() == {}


def test_without_a_home_nothing_is_kept(monkeypatch):
    for name in ("AIDX_STATE_DIR", "XDG_STATE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    assert state_dir() is None
    assert not measured.calibrate("x", KNOWN)
    assert not measured.keep_proof("a" * 16, PROOF)
    assert (measured.clear(), measured.proofs(), measured.calibrations()) == (0, 0, {})
