"""Who pastes a key where the name of a variable is wanted does not see it again, on whatever command."""

from pathlib import Path

import pytest
from tests.running import aidx

from aidx import cli

KEY = "sk-abcdef0123456789ABCDEF0123456789"
COMMANDS = {
    "serve": ["aidx-tiny"],
    "stress": ["--url", "http://127.0.0.1:1"],
    "ask": ["x"],
    "export": ["llama-server", "aidx-tiny"],
}


@pytest.mark.parametrize("key", [KEY, "a b", "0" * 40, KEY[3:], "hf_" + KEY[3:]])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_in_the_place_of_a_name_is_not_shown(command, key):
    found = aidx(command, *COMMANDS[command], "--api-key-env", key, code=2)

    assert "--api-key-env" in found.stderr
    assert "it is not shown here" in found.stderr
    assert key not in found.stderr + found.stdout


def test_every_command_that_takes_one_is_tried():
    folder = Path(cli.__file__).parent
    assert {file.stem for file in folder.glob("*.py") if '"--api-key-env"' in file.read_text("utf-8")} == {*COMMANDS}
