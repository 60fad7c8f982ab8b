"""Laws of settings: what is laid over what, and where a key stands, whatever the file looks like."""

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from aidx.config.decode import leaves
from aidx.config.lines import line_of
from aidx.config.merge import Leaf, Origin, merge
from aidx.errors import InputError

PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
VALUES = st.one_of(st.integers(-5, 5), st.booleans(), PLAIN, st.lists(PLAIN, max_size=3))
KINDS = ("environment", "project", "user")


def toml(value, *, spread):
    """A TOML value; *spread* puts each item of a list on a line of its own, with a comment."""
    if isinstance(value, list) and spread:
        return "[\n" + "".join(f"  {json.dumps(item, ensure_ascii=False)}, # port = 3\n" for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


@st.composite
def files(draw):
    """The text of a file, and the line of each of its keys."""
    text, lines = "", {}
    for table in draw(st.lists(st.sampled_from(["a", "b", "ab.a", "ab.b"]), unique=True)):
        text += "\n" * draw(st.integers(0, 2)) + f"[{table}] # port\n"
        for key in draw(st.lists(st.sampled_from(["a", "port", "ab_port"]), unique=True)):
            lines[*table.split("."), key] = text.count("\n") + 1
            text += f"{key} = {toml(draw(VALUES), spread=draw(st.booleans()))}\n"
    return text, lines


@given(files())
def test_each_key_is_found_on_its_line(file) -> None:
    text, lines = file
    assert {path: line_of(text, path) for path in lines} == lines


@given(st.lists(st.dictionaries(st.sampled_from(["host", "port", "origins"]), st.integers(), max_size=3), max_size=3))
def test_the_first_layer_that_gives_a_key_counts(tables) -> None:
    layers = [
        [Leaf(("serve", key), value, Origin(KINDS[number], str(number))) for key, value in table.items()]
        for number, table in enumerate(tables)
    ]
    found = merge(layers)
    for key in ("host", "port", "origins"):
        first = next((number for number, table in enumerate(tables) if key in table), None)
        if first is None:
            assert found.origin("serve", key).kind == "default"
        else:
            assert getattr(found.config.serve, key) == tables[first][key]
            assert found.origin("serve", key).where == str(first)


JSONISH = st.recursive(VALUES, lambda inner: st.dictionaries(PLAIN, inner, max_size=3), max_leaves=8)


def refusal(table):
    """What is wrong with *table*; ``None`` where nothing is."""
    try:
        list(leaves(table, lambda _: "here"))
    except InputError as wrong:
        return wrong
    return None


@given(st.dictionaries(st.sampled_from(["device", "roles", "serve", "checks", "index", "x"]), JSONISH, max_size=3))
def test_no_table_ends_in_anything_but_values_or_an_input_error(table) -> None:
    wrong = refusal(table)
    assert wrong is None or (str(wrong).startswith("here: ") and wrong.hint)


SECRET = st.from_regex(r"(sk-|gsk_|hf_|xai-)[A-Za-z0-9]{20,40}", fullmatch=True)


@given(SECRET, st.sampled_from(["api_key_env", "model", "url", "engine", "quant", "api_key", "edit_format"]))
def test_a_key_is_refused_and_never_in_a_message(secret, key) -> None:
    wrong = refusal(tomllib.loads(f'[roles.editor]\n{key} = "{secret}"'))
    assert wrong is not None
    assert secret[6:] not in f"{wrong} {wrong.hint}"
