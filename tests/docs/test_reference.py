"""Every command has a page that names each of its options, and names none that is not there."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click
import pytest

from aidx import cli

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
COMMANDS = sorted(
    module.name for module in iter_modules(cli.__path__) if not module.name.startswith("_") and module.name != "main"
)
EXIT_CODES = re.compile(r"^## Exit codes\n", re.MULTILINE)


def options_of(name):
    command = import_module(f"aidx.cli.{name}").command
    commands = command.commands.values() if isinstance(command, click.Group) else (command,)
    params = [param for each in commands for param in each.params]
    return {flag for param in params for flag in (*param.opts, *param.secondary_opts) if flag.startswith("-")}


def documented(page):
    """The flags in the first column of the option tables."""
    rows = re.findall(r"^\| (`-[^|]*)\|", page, re.MULTILINE)
    return {flag for row in rows for flag in re.findall(r"`(--?[A-Za-z][A-Za-z-]*)", row)}


def test_there_are_commands():
    assert {"plan", "checklist"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_names_each_option_and_no_other(name):
    page = (REFERENCE / f"{name}.md").read_text("utf-8")

    assert documented(page) == options_of(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_says_how_to_call_what_comes_back_and_how_it_ends(name):
    page = (REFERENCE / f"{name}.md").read_text("utf-8")

    assert page.startswith(f"# aidx {name}\n")
    assert f"\naidx {name}" in page
    assert EXIT_CODES.search(page)
    assert "--json" not in options_of(name) or re.search(r"^## JSON\n", page, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_links_to_each_page(name):
    assert f"({name}.md)" in (REFERENCE / "README.md").read_text("utf-8")


def test_there_is_no_page_without_a_command():
    others = {"README", "api", "architectures", "config", "engines", "python"}

    assert {path.stem for path in REFERENCE.glob("*.md")} - others <= set(COMMANDS)


def test_help_says_what_each_command_does_without_importing_any():
    command = [sys.executable, "-X", "importtime", "-m", "aidx", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    listed = dict(re.findall(r"^  ([a-z]+)  +(\S.*)$", done.stdout.split("Commands:")[1], re.MULTILINE))
    imported = set(re.findall(r"\| +(aidx[.\w]*)$", done.stderr, re.MULTILINE))

    assert sorted(listed) == COMMANDS
    assert all(listed.values())
    assert imported == {"aidx", "aidx.cli", "aidx.cli._root", "aidx.cli._text", "aidx.cli.main", "aidx.errors"}
