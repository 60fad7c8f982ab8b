"""``aidx index`` as it is typed."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
from tests.embedder import bert
from tests.fakes.postgres import database
from tests.fakes.qdrant_server import served
from tests.running import ended

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.gguf.render import render

MONEY = '''\
class Money:
    """An amount."""

    def rounded(self, digits):
        return round(self.amount, digits)


def convert(amount, currency):
    return amount * RATES[currency]
'''


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "app").mkdir(parents=True)
    (root / "app" / "money.py").write_text(MONEY)
    (root / "notes.md").write_text("# Rounding\nAmounts are rounded to cents.\n# Rates\nFrom the bank.\n")
    (root / "blob.bin").write_bytes(b"\0\1\2")
    (root / ".gitignore").write_text("*.log\n")
    (root / "x.log").write_text("rounded\n")
    return root


def indexed(root, *arguments, **environment):
    places = {"XDG_DATA_HOME": f"{root.parent}/data"}
    return ended("index", root, *arguments, folder=root.parent, **places, **environment)


def valid(text):
    schema = json.loads((files("aidx") / "data" / "schemas" / "index.json").read_text("utf-8"))
    found = json.loads(text)
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def test_a_tree_is_indexed_and_again_only_what_changed(root):
    told = "blob.bin: not indexed: binary\n3 files in .aidx/index/fts5.sqlite: {}; 1 path ignored\n"
    first = "3 new, 0 changed, 0 gone, 0 as before"

    assert indexed(root) == (0, told.format(first), "")
    (root / "app" / "money.py").write_text(MONEY.replace("round(", "floor("))
    (root / "notes.md").unlink()
    code, out, _ = indexed(root, "--json")
    found = valid(out)
    assert code == 0
    assert found["files"] == {"files": 2, "added": 0, "changed": 1, "removed": 1, "unchanged": 1, "ignored_paths": 1}
    assert found["skipped"] == [{"path": "blob.bin", "reason": "binary"}]
    assert (root / ".aidx" / ".gitignore").read_text() == "*\n"


def test_a_query_says_what_is_found_where_and_why(root):
    code, out, err = indexed(root, "-q", "--query", "how amounts are rounded")

    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        "notes.md (Rounding): lines 1-2, ~14 tokens",
        "  terms, rank 1: amounts, rounded",
        "app/money.py::Money.rounded: lines 4-5, ~24 tokens",
        "  terms, rank 2: amounts, rounded",
    ]


def test_json_of_a_query_is_the_contract(root):
    code, out, _ = indexed(root, "--query", "convert a currency", "--limit", "1", "--json")

    found = valid(out)
    (proposal,) = found["proposals"]
    assert (code, proposal["target"], found["tokens_grade"]) == (0, "app/money.py::convert", "assumed")
    assert (proposal["first_line"], proposal["last_line"]) == (8, 9)


def test_what_all_projects_share_is_found_from_each(root, tmp_path):
    shared = tmp_path / "workflows"
    shared.mkdir()
    (shared / "release.md").write_text("# Release\nTag, build, sign, publish.\n")

    assert indexed(shared, "--namespace", "global")[0] == 0
    assert (
        indexed(shared, "--namespace", "global")[1].split(": ")[1].startswith("0 new, 0 changed, 0 gone, 1 as before")
    )
    found = valid(indexed(root, "--query", "sign and publish", "--json")[1])
    assert [(each["namespace"], each["path"]) for each in found["proposals"]] == [("global", f"{shared}/release.md")]
    assert not (shared / ".aidx").exists()


def test_counts_are_exact_where_the_model_is_here(root):
    (root.parent / "aidx.toml").write_text('[roles.editor]\nmodel = "aidx-tiny"\n')

    found = valid(indexed(root, "--query", "convert", "--json")[1])
    assert (found["tokens_by"], found["tokens_grade"]) == ("aidx-tiny", "exact")


STORES = {
    "qdrant": ('store = "qdrant"', ".aidx/index/qdrant"),
    "qdrant by url": ('store = "qdrant"\nurl = "{url}"', "Qdrant at 127.0.0.1"),
    "pgvector": ('store = "pgvector"\nurl = "{url}"', "PostgreSQL at "),
}


@pytest.mark.parametrize("store", STORES)
def test_another_store_says_the_same(root, store):
    settings, place = STORES[store]
    url = {"pgvector": database, "qdrant by url": served}.get(store, str)()
    (root.parent / "aidx.toml").write_text(f"[index]\n{settings.format(url=url.replace('postgres:@', 'postgres@'))}\n")

    for added, unchanged in ((3, 0), (0, 3)):
        code, out, err = indexed(root, "--query", "how amounts are rounded", "--json")
        found = valid(out)
        assert (code, err) == (0, "")
        assert (found["files"]["added"], found["files"]["unchanged"]) == (added, unchanged)
        assert [each["target"] for each in found["proposals"]][:2] == ["notes.md", "app/money.py::Money.rounded"]
        assert found["place"].startswith(place)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ('store = "pgvector"', "needs the address of a database"),
        ('store = "pgvector"\nurl = "postgresql://me:secret@127.0.0.1/x"', "has a password in it"),
        ('store = "pgvector"\nurl = "http://127.0.0.1/x"', "no address of a database"),
        ('store = "qdrant"\nurl = "127.0.0.1:6333"', "no address of a Qdrant server"),
        ('url = "http://127.0.0.1:6333"', "fts5 has none"),
        ('store = "qdrant"\nurl = "http://127.0.0.1:6333"\napi_key_env = "NOT_SET"', "NOT_SET is not set"),
    ],
)
def test_a_store_that_is_configured_wrongly_is_exit_2(root, settings, told):
    (root.parent / "aidx.toml").write_text(f"[index]\n{settings}\n")

    code, out, err = indexed(root)
    assert (code, out) == (2, "")
    assert told in err
    assert "secret" not in err


@pytest.mark.parametrize(
    "store", ['"qdrant"\nurl = "http://127.0.0.1:9"', '"pgvector"\nurl = "postgresql://me@127.0.0.1:9/x"']
)
def test_a_server_that_is_not_there_is_exit_4(root, store):
    (root.parent / "aidx.toml").write_text(f"[index]\nstore = {store}\n")

    code, out, err = indexed(root)
    assert (code, out, err.count("\n")) == (4, "", 2)
    assert "Check [index] url" in err


def test_a_model_of_ones_own_finds_by_meaning_too(root):
    """aidx-tiny, told by its header to average its tokens: what it finds means little, that it is asked does."""
    path = Path(shipped.path())
    header = read_header(str(path), keep_tokenizer=True).header
    pooling = f"{header.metadata['general.architecture']}.pooling_type"
    model = render({**header.metadata, pooling: 1}, header.tensors, kinds=header.kinds)
    (root.parent / "embedder.gguf").write_bytes(model + path.read_bytes()[header.size :])
    (root.parent / "aidx.toml").write_text('[roles.embedder]\nmodel = "embedder.gguf"\n')

    code, out, err = indexed(root, "--query", "amounts", "--json")
    found = valid(out)
    assert (code, found["files"]["added"]) == (0, 3), err
    reasons = [reason for each in found["proposals"] for reason in each["reasons"]]
    assert any(reason.startswith("meaning, rank 1") for reason in reasons)
    assert any(reason.startswith("terms, rank 1") for reason in reasons)
    assert len(found["proposals"]) == 6  # every symbol has a meaning, whatever its words
    (root.parent / "aidx.toml").unlink()
    assert valid(indexed(root, "--json")[1])["files"]["changed"] == 3  # made by another embedder: none


def test_a_bert_that_only_the_engine_knows_is_planned_and_embeds(root):
    """What most embedding models are; a text longer than its 256 tokens is embedded in parts."""
    bert(root.parent)
    (root / "long.py").write_text("def long():\n" + "    a = b, c, d\n" * 100)
    (root.parent / "aidx.toml").write_text('[roles.embedder]\nmodel = "bert.gguf"\n')

    code, out, err = indexed(root, "--query", "zebra", "--json")
    found = valid(out)
    assert (code, found["embedder"], found["files"]["added"]) == (0, "bert.gguf", 4), err
    assert found["proposals"][0]["reasons"] == ["meaning, rank 1"]
    assert "long.py" in {each["path"] for each in found["proposals"]}


def test_nothing_found_is_no_error(root):
    assert indexed(root, "-q", "--query", "zebra") == (0, "nothing found\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--query", " "), "the query is empty"),
        (("--limit", "0"), "Invalid value for '--limit'"),
        (("x", "y"), "extra"),
    ],
)
def test_wrong_input_is_two_lines(root, arguments, told):
    code, out, err = indexed(root, *arguments)

    assert (code, out, err.count("\n")) == (2, "", 2)
    assert told in err


@pytest.mark.parametrize("place", [".aidx", ".aidx/index", ".aidx/index/fts5.sqlite"])
def test_a_link_in_the_tree_does_not_choose_where_we_write(root, tmp_path, place):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere / "x" if place.endswith("sqlite") else elsewhere)

    code, out, err = indexed(root)
    assert (code, out) == (2, "")
    assert "link" in err
    assert list(elsewhere.iterdir()) == []


def test_a_broken_index_is_exit_4_and_says_what_to_do(root):
    indexed(root)
    (root / ".aidx" / "index" / "fts5.sqlite").write_bytes(b"no database " * 999)

    code, out, err = indexed(root)
    assert (code, out) == (4, "")
    assert "delete the file and index again" in err
