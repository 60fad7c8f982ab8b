"""The page of aidx.toml names every key that there is, with its default, and no other; its example is read."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from aidx.config.decode import ROLES, leaves
from aidx.config.values import Config, RoleTable

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "config.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## `\[(\w+)(?:\.X)?\]`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def rows(section):
    """Key, meaning and default of each row of a section's table."""
    found = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) ?\|$", SECTIONS[section], re.MULTILINE)
    return {key: (means, default) for key, means, default in found}


def struct(section):
    if section == "roles":
        return RoleTable
    return next(field.type for field in msgspec.structs.fields(Config) if field.name == section)


def test_every_table_has_a_section_and_no_other() -> None:
    assert set(SECTIONS) == set(Config.__struct_fields__)


@pytest.mark.parametrize("section", sorted(set(Config.__struct_fields__) - {"checks"}))
def test_every_key_has_a_row_and_no_other(section) -> None:
    assert list(rows(section)) == list(struct(section).__struct_fields__)
    assert all(means for means, _ in rows(section).values())


@pytest.mark.parametrize("section", sorted(set(Config.__struct_fields__) - {"checks"}))
def test_a_default_that_the_struct_has_is_the_one_that_is_printed(section) -> None:
    for field in msgspec.structs.fields(struct(section)):
        if field.default is not None and field.default != ():
            text = msgspec.json.encode(field.default).decode()
            assert rows(section)[field.name][1].strip("`").replace('`"', "") in {text, text.strip('"')}, field.name


def test_every_role_is_named() -> None:
    assert [role for role in ROLES if f"`{role}`" not in SECTIONS["roles"]] == []


def test_the_example_is_read() -> None:
    example = re.search(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    assert dict(leaves(tomllib.loads(example), str))["roles", "editor", "gate"] == 4096
