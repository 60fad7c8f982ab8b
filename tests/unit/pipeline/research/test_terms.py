"""Words, and the words inside identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.pipeline.research.terms import chunk_terms, query_terms, stem, terms
from aidx.ports.retrieval import Chunk


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("getHTTPResponse2", ["gethttpresponse2", "get", "http", "respons", "2"]),
        ("max_kv_bytes", ["max_kv_bytes", "max", "kv", "byt"]),
        ("__init__", ["init"]),
        ("Return the names of files", ["return", "nam", "fil"]),
        ("größe_in_Metern", ["größe_in_metern", "größ", "metern"]),
        ("日本語 x", ["日本語", "x"]),
        ("a" * 65, []),
        ("", []),
    ],
)
def test_a_text_in_terms(text, found):
    assert list(terms(text)) == found


@pytest.mark.parametrize(
    "words",
    [
        ("return", "returns", "returned", "returning"),
        ("size", "sizes", "sized", "sizing"),
        ("entry", "entries"),
        ("stop", "stopped", "stopping", "stops"),
    ],
)
def test_forms_of_a_word_are_one_term(words):
    assert len({stem(word) for word in words}) == 1


@pytest.mark.parametrize("word", ["class", "status", "this", "is", "red", "ring", "bus", "string"])
def test_words_that_only_look_like_forms_stay(word):
    assert stem(word) == word


def test_a_query_looks_for_each_term_once():
    assert query_terms("release, releases released: Release!") == ("releas",)


def test_a_chunk_is_found_by_its_symbol_and_its_path():
    found = chunk_terms(Chunk("app/money.py", "Money.total", "function", 1, 1, "return 1"))

    assert found.count("money") > found.count("return") == 1
    assert "app" in found


@given(st.text())
def test_terms_hold_letters_digits_and_underscores_only(text):
    assert all(term and term.replace("_", "a").isalnum() for term in terms(text))
