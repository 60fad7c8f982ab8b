"""Console blocks in the README and the tutorial: commands parse, and plans print exactly what is shown."""

import platform
import re
import shlex
import sys
from pathlib import Path

import click
import pytest
from tests.running import ended

from aidx.cli._root import root

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
BLOCK = re.compile(r"^```(console|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXACT = ("plan", "checklist")  # the commands whose output is the same on every machine, given --vram and --host-ram
CUT = "…"  # a line of an example that stands for any number of lines


def examples():
    """``(command, output, settings)`` of every ``$`` line; *settings* is the last aidx.toml that the page shows."""
    for page in PAGES:
        settings = None
        for kind, block in BLOCK.findall(page.read_text("utf-8")):
            if kind == "toml":
                settings = block
                continue
            for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                yield pytest.param(command, output, settings, id=f"{page.stem}: {command}"[:70])


def aidx_words(command):
    """The words after ``aidx``, or ``None`` for another program; of ``a && b``, it is ``b`` that counts."""
    words = shlex.split(command.split(" && ")[-1].removeprefix("uv run "), comments=True)
    return words[1:] if words[0] == "aidx" else None


EXAMPLES = list(examples())


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize(("command", "output", "settings"), EXAMPLES)
def test_a_command_in_the_docs_parses(command, output, settings):
    words = aidx_words(command)
    if words is None:
        assert command.split()[0] in {"pip", "pipx", "uv", "curl"}
        return
    with click.Context(root) as context:
        name, found, rest = root.resolve_command(context, words)
        if isinstance(found, click.Group):
            name, found, rest = found.resolve_command(click.Context(found, parent=context), list(rest))
        assert found.params
        found.parse_args(click.Context(found, info_name=name), list(rest))


@pytest.mark.parametrize(("command", "output", "settings"), EXAMPLES)
@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="elsewhere the engine cannot be asked"
)
def test_a_plan_in_the_docs_is_what_is_printed(command, output, settings, tmp_path):
    words = aidx_words(command)
    if not words or words[0] not in EXACT or not output.strip():
        return
    if settings is not None:
        (tmp_path / "aidx.toml").write_text(settings, "utf-8")
    done = ended(*words, folder=tmp_path)
    pattern = "".join(r"(?:.*\n)*" if line.strip() == CUT else re.escape(line) + r"\n" for line in output.splitlines())
    assert re.fullmatch(pattern, done.stdout + done.stderr), done.stdout + done.stderr
