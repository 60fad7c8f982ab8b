"""`aidx devices` as a user runs it."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.running import aidx

from aidx.adapters.llama import sight


def checked(text, name):
    found = json.loads(text)
    schema = json.loads((files("aidx") / "data" / "schemas" / f"{name}.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def test_this_machine_has_a_host_and_the_engine_says_what_it_sees():
    found = checked(aidx("devices", "--json").stdout, "devices")
    host = found["devices"][-1]
    assert host["kind"] == "host"
    assert 0 < host["usable_bytes"] <= host["total_bytes"]
    engine = found["engines"][0]
    assert engine["build"].startswith("xllamacpp 2026.10.11549")
    assert "cpu" in {device["kind"] for device in engine["sees"]}


def test_a_card_that_is_not_here_says_that_the_engine_does_not_see_it():
    text = aidx("devices", "--gpu", "rtx-3060-12gb", "--gpu", "rtx-4090", "--host-ram", "32GiB").stdout
    assert "gpu0  NVIDIA RTX 3060: 12.00 GiB" in text
    assert "gpu1  NVIDIA RTX 4090: 23.99 GiB" in text
    if "the CPU only" in text:
        assert "install the xllamacpp==2026.10.11549 wheel for your GPU" in text


def test_the_table_of_cards():
    found = checked(aidx("devices", "--cards", "--json").stdout, "cards")
    assert "rtx-3060-12gb" in {card["name"] for card in found["cards"]}
    assert "rtx-3060-12gb" in aidx("devices", "--cards").stdout


def test_contradictions_are_exit_2():
    aidx("devices", "--gpu", "rtx-4090", "--vram", "8G", code=2)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise SystemExit('no such driver')", "no such driver"),
        ("import os; os.abort()", "exit status -6"),
        ("print('[]')", "exit status 0"),
        ('print(\'["1", [["X", 99, ""]]]\')', "exit status 0"),
    ],
)
def test_an_engine_that_cannot_be_asked_says_why(program, says):
    found = sight.look(program)
    assert found.reason == says
    assert found.devices == ()


def test_what_is_here_is_shown_and_what_the_file_plans_for_is_a_note(tmp_path):
    settings = tmp_path / "other.toml"
    settings.write_text('[device]\nvram = ["8GiB", "6GiB"]\nhost_ram = "16GiB"\n')
    here, with_file = (
        json.loads(aidx("devices", "--json").stdout),
        checked(aidx("devices", "--config", str(settings), "--json").stdout, "devices"),
    )

    def sizes(found):
        return [(device["name"], device["total_bytes"]) for device in found["devices"]]

    assert sizes(with_file) == sizes(here)
    assert with_file["notes"][-1] == (
        f"this is what is here; plans are made for [device]: vram 8.00 GiB, 6.00 GiB from {settings}:2; "
        f"host_ram 16.00 GiB from {settings}:3"
    )
    assert here["notes"] == with_file["notes"][:-1]
    assert f"note: {with_file['notes'][-1]}" in aidx("devices", "--config", str(settings)).stdout
    typed = json.loads(aidx("devices", "--config", str(settings), "--vram", "4GiB", "--json").stdout)
    assert typed["devices"][0]["total_bytes"] == 4 << 30
    assert typed["notes"] == []


def test_roles_say_that_they_are_for_the_machine_of_the_file(tmp_path):
    settings = tmp_path / "other.toml"
    settings.write_text('[device]\nvram = ["8GiB"]\n')
    words = ("roles", "aidx-tiny", "--config", settings)
    text, shown = aidx(*words).stdout, aidx(*words, "--json").stdout
    said = f"planned for [device]: vram from {settings}:2"
    assert text.startswith(f"note: {said}\n")
    assert checked(shown, "roles")["notes"] == [said]


@pytest.mark.parametrize("option", ["--gpu=rtx-4090", "--vram=8GiB", "--total"])
def test_the_table_of_cards_is_of_no_machine(option):
    done = aidx("devices", "--cards", option, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith(f"aidx: --cards lists all cards, and {option.partition('=')[0]} describes a machine")


def test_a_card_that_is_typed_goes_before_sizes_that_are_configured(tmp_path):
    settings = tmp_path / "other.toml"
    settings.write_text('[device]\nvram = ["8GiB", "6GiB"]\nhost_ram = "16GiB"\n')
    named = json.loads(aidx("devices", "--config", str(settings), "--gpu", "rtx-4090", "--json").stdout)
    assert [device["label"] for device in named["devices"][:-1]] == ["NVIDIA RTX 4090"]
