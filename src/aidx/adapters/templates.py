"""The table of chat templates that ships with the package."""

from pathlib import Path

import msgspec

import aidx
from aidx.gate.templates import Template


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    templates: tuple[Template, ...]


def read_templates() -> tuple[Template, ...]:
    """Every known template."""
    data = (Path(aidx.__file__).parent / "data" / "templates.json").read_bytes()
    return msgspec.json.decode(data, type=_Table).templates
