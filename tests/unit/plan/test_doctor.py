"""Lines of the doctor: facts in, the right status and what to do out, and no secret."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest

from aidx.plan import doctor
from aidx.plan.calibration import Calibration
from aidx.plan.devices import Device, Machine, host
from aidx.plan.inventory import Seen, Sight

PINNED = "xllamacpp 2026.10.11549"
GPU = Device("gpu0", "gpu", 12 << 30, label="NVIDIA X", overhead=5 << 20)
HERE = Machine(host(16 << 30, used=1 << 30))
CPU = Seen("CPU", "cpu", "a processor")


@pytest.mark.parametrize(
    ("installed", "wrong", "status"),
    [
        (PINNED, "", "ok"),
        (f"{PINNED}+cu128", "", "ok"),
        ("xllamacpp 2027.1", "", "failed"),
        ("no xllamacpp", "", "failed"),
        (PINNED, "the engine took more than there is", "failed"),
    ],
)
def test_the_engine_has_to_be_the_pinned_one_and_to_keep_a_plan(installed, wrong, status):
    line = doctor.engine(installed, PINNED, "as planned", wrong)

    assert (line.status, bool(line.fix)) == (status, status == "failed")
    assert installed in line.detail


def test_an_engine_that_is_blind_to_a_gpu_is_a_warning():
    blind = Sight("embedded", PINNED, (CPU,), fix="Install another wheel.")
    sees = Sight("embedded", PINNED, (CPU, Seen("CUDA0", "gpu", "X")))
    dead = Sight("embedded", "", reason="exit status 1")

    assert [line.status for line in doctor.sights(HERE, [blind])] == ["ok"]
    (line,) = doctor.sights(Machine(HERE.host, (GPU,)), [blind])
    assert (line.status, line.fix) == ("warning", "Install another wheel.")
    assert [line.status for line in doctor.sights(Machine(HERE.host, (GPU,)), [sees, dead])] == ["ok", "failed"]


def test_what_cannot_be_asked_or_proved_is_a_warning_with_what_to_do():
    lines = [doctor.asked("", "not on this system"), doctor.ceiling("", "no cgroup")]

    assert all(line.status == "warning" and line.fix for line in lines)
    assert doctor.asked(PINNED, "").status == doctor.ceiling("cgroup2", "").status == "ok"


def test_memory_names_every_device_and_repeats_notes():
    machine = Machine(HERE.host, (GPU,), ("in MIG mode",))

    assert [(line.name, line.status) for line in doctor.memory(machine)] == [
        ("gpu0", "ok"),
        ("host", "ok"),
        ("devices", "warning"),
    ]


def test_folders_that_cannot_be_used_are_warnings():
    assert doctor.folder("state", "~/x", writable=True).status == "ok"
    assert doctor.folder("state", "~/x", writable=False).status == "warning"
    assert doctor.folder("state", None, writable=False).fix == "Set HOME."


def test_measurements_and_damage_are_listed():
    found = {"2 cores | qwen2": Calibration(40 << 20, 8192, "2026-11-28", PINNED, {"NVIDIA X": 300 << 20})}
    lines = list(doctor.calibrations(found, 3))

    assert "engine process 40.0 MiB, driver of NVIDIA X 300.0 MiB, 8,192 cells, 2026-11-28" in lines[0].detail
    assert lines[1].detail.startswith("3 plan(s)")
    assert "aidx stress MODEL measures" in next(iter(doctor.calibrations({}, 0))).detail
    assert [line.status for line in doctor.stores({"ollama": 2}, ["lm studio: x: torn"])] == ["ok", "warning"]


@pytest.mark.parametrize("name", ["api_key", "token", "client_secret", "password"])
def test_a_secret_is_not_shown(name):
    assert "hunter2" not in doctor.setting(("serve", name), "hunter2", "aidx.toml:3").detail


@pytest.mark.parametrize("name", ["api_key_env", "max_tokens", "host"])
def test_what_is_no_secret_is_shown_with_its_origin(name):
    assert doctor.setting(("serve", name), "value", "aidx.toml:3").detail == "value, from aidx.toml:3"


def test_the_object_and_the_lines_for_a_person():
    lines = [doctor.ceiling("", "no cgroup"), doctor.asked(PINNED, "")]
    schema = json.loads((files("aidx") / "data" / "schemas" / "doctor.json").read_text("utf-8"))

    jsonschema_rs.validator_for(schema).validate(doctor.as_json(lines))
    first, fix, second = doctor.shown(lines)
    assert first.startswith("warn hard ceiling")
    assert fix.strip() == lines[0].fix
    assert second.startswith("ok   asking the engine")
