"""The table of architectures names each one, as the families and the golden files say."""

import re

import pytest
from scripts.architectures import PAGE, keeps, page

from aidx.model import arch
from aidx.model.spec import Layer


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == page(), "run python scripts/architectures.py"


def test_each_architecture_has_a_row_with_a_published_model():
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| (\w[^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)

    assert tuple(name for name, *_ in rows) == arch.known()
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", model) for _, _, models, _ in rows for model in models.split(", "))
    assert {compute for *_, compute in rows} == {"replayed", "bounded"}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([Layer(2, 64, 64)] * 2, "K and V"),
        ([Layer(2, 64, 64, 128), Layer(2, 64, 64)], "K and V, a window in 1 of 2"),
        ([Layer(1, 576, index_key=128), Layer(1, 576)], "latents, an indexer's K in 1 of 2"),
        ([Layer(recurrent_state=8)] * 2, "a state"),
        (
            [Layer(recurrent_state=8), Layer(2, 64, 64), Layer()],
            "K and V in 1 of 3 blocks, a state in 1 of 3 blocks, 1 of 3 blocks keep nothing",
        ),
    ],
)
def test_what_a_model_keeps_in_words(layers, words):
    assert keeps(layers) == words
