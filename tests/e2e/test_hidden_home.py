"""A home that may not be entered, as of a service that was handed another user's HOME, stops no command."""

import os

import pytest

from aidx.cli._root import run

COMMANDS = (
    ("plan", "aidx-tiny", "--fast", "--vram", "0"),
    ("plan", "qwen2.5-coder:14b", "--fast", "--vram", "12GiB"),
    ("checklist", "qwen2.5-coder:14b", "--fast", "--vram", "12GiB", "--host-ram", "16GiB"),
    ("models",),
    ("doctor",),
)


@pytest.fixture
def hidden(tmp_path, monkeypatch):
    """Hides the home when it is called: from its owner, and, where these tests run as root, from nobody."""
    home = tmp_path / "home"
    home.mkdir()
    root = os.geteuid() == 0
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "AIDX_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)

    def hide():
        home.chmod(0)
        if root:
            os.seteuid(65534)

    yield hide
    if root:
        os.seteuid(0)
    home.chmod(0o700)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_runs_without_its_home(command, hidden, capsys):
    code = run(list(command))  # imports what it needs while everything can be read
    capsys.readouterr()
    hidden()
    assert run(list(command)) in {code, 4}  # 4: doctor, where nobody may start our interpreter
    out, err = capsys.readouterr()
    assert out
    assert "may not be read, and is left out" in (out if command == ("doctor",) else err)
