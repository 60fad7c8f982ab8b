"""The bounds of a request that the reference names are those that are kept."""

from pathlib import Path
from typing import get_args

import msgspec

from aidx.patterns.schema.shape import MAX_BYTES
from aidx.patterns.schema.shape import MAX_DEPTH as SCHEMA_DEPTH
from aidx.serve import strict
from aidx.serve.fields import EmbeddingRequest, Sampling
from aidx.serve.run.http import HEAD_BYTES

PAGE = (Path(__file__).parents[2] / "docs/reference/api.md").read_text("utf-8")


def longest(kind, name):
    """How many texts a field of *kind* takes."""
    field = next(field for field in msgspec.structs.fields(kind) if field.name == name)
    return next(
        found.max_length
        for each in get_args(field.type)
        for found in getattr(each, "__metadata__", ())
        if isinstance(found, msgspec.Meta)
    )


def test_every_bound_is_documented_as_it_is():
    rows = {
        "body, head": f"{strict.MAX_BODY >> 20} MiB, {HEAD_BYTES >> 10} KiB",
        "JSON: levels": strict.MAX_DEPTH,
        "JSON: arrays and objects together": f"{strict.MAX_OBJECTS:,}",
        "JSON: values": f"{strict.MAX_VALUES:,}",
        "JSON: quotation marks": f"{strict.MAX_QUOTES:,}",
        "texts of `input` for embeddings": longest(EmbeddingRequest, "input"),
        "texts of `stop`, none of them empty": longest(Sampling, "stop"),
        "a schema, the schemas of all tools": f"{MAX_BYTES >> 10} KiB each, {SCHEMA_DEPTH} levels",
    }
    for what, most in rows.items():
        assert f"| {what} | {most} |" in PAGE
    assert f"bodies of more than {strict.SMALL:,} characters" in PAGE
