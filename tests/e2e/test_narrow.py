"""Tables in terminals that are too narrow for them: lines are long there, and nothing breaks."""

import pytest
from tests.unit.plan.test_choose import candidate, chosen
from tests.unit.plan.worlds import machine

from aidx.adapters.catalogue import read_clouds
from aidx.advise.roles import fill, judge
from aidx.cli._choices import choice_lines
from aidx.cli._roles import model_lines, role_lines
from aidx.cli._root import run
from aidx.plan.choice import Terms
from aidx.plan.need import Need
from aidx.plan.roles import ROLES
from aidx.plan.speed import Pace

GIB = 1 << 30
CARD = ("--vram", "2GiB", "--host-ram", "8GiB")
COMMANDS = (
    ("plan", "aidx-tiny", "--fast", "--explain", *CARD),
    ("plan", "aidx-tiny", "--fast", *CARD),
    ("checklist", "aidx-tiny", "--fast", *CARD),
    ("choose", "aidx-tiny", "--fast", "-q", "-c", "256", *CARD),
    ("roles", "aidx-tiny", *CARD),
    ("roles", "claude-sonnet-4", *CARD),
    ("devices", "--cards"),
    ("models",),
    ("loss", "aidx-tiny"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("width", range(1, 21))
def test_no_width_is_too_small_for_a_command(command, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(list(command)) in {0, 3}, capsys.readouterr().err  # 3: a checklist of a model that is no editor
    assert capsys.readouterr().out


FOUND, _ = chosen([candidate(), candidate("two")], role=ROLES["editor"])
WISH = Terms(Need(ctx_size=4096), role=ROLES["editor"])
MACHINE = machine(4 * GIB, 8 * GIB)
FILLED = tuple(fill([candidate(), candidate("small", tier="micro")], read_clouds(), MACHINE, Pace()))
JUDGED = judge(candidate(), MACHINE, Pace())


@pytest.mark.parametrize("width", range(-1, 21))
def test_words_are_the_same_at_every_width(width):
    for lines in (
        lambda wide: choice_lines(FOUND, WISH, MACHINE, "", width=wide),
        lambda wide: role_lines(FILLED, MACHINE, wide),
        lambda wide: model_lines(JUDGED, wide),
    ):
        assert "".join("".join(lines(width)).split()) == "".join("".join(lines(400)).split())
