"""Several rankings become one."""

import pytest

from aidx.pipeline.research.rank import Answer, fuse
from aidx.ports.retrieval import Chunk, Hit


def hit(symbol, path="a.py", first=1, kind="function", text=""):
    return Hit(Chunk(path, symbol, kind, first, first, text), 1.0)


def names(proposals):
    return [each.chunk.symbol for each in proposals]


def test_what_both_searches_find_comes_first():
    words = Answer("project", "terms", [hit("a"), hit("b"), hit("c")])
    meaning = Answer("project", "meaning", [hit("d"), hit("c"), hit("b")])

    found = fuse([words, meaning], "", 9)
    assert names(found) == ["b", "c", "a", "d"]
    assert found[0].score == pytest.approx(1 / 62 + 1 / 63)  # the formula of the paper, by hand


def test_parts_of_one_symbol_are_one_proposal_by_the_best_of_them():
    words = Answer("project", "terms", [hit("f", first=80), hit("g"), hit("f", first=1)])
    meaning = Answer("project", "meaning", [hit("g"), hit("f", first=1)])

    found = fuse([words, meaning], "", 9)
    assert names(found) == ["g", "f"] or names(found) == ["f", "g"]
    assert {each.chunk.symbol: each.chunk.first for each in found}["f"] == 80


def test_parts_of_a_file_without_symbols_are_apart():
    found = fuse([Answer("project", "terms", [hit("", first=1), hit("", first=50)])], "", 9)

    assert [each.chunk.first for each in found] == [1, 50]


def test_what_is_shared_comes_behind_what_is_here():
    found = fuse([Answer("global", "terms", [hit("w")]), Answer("project", "terms", [hit("a"), hit("b")])], "", 9)

    assert [(each.namespace, each.chunk.symbol) for each in found] == [
        ("project", "a"),
        ("project", "b"),
        ("global", "w"),
    ]


def test_no_more_than_asked_for_and_ties_in_a_fixed_order():
    one, other = Answer("project", "terms", [hit("a")]), Answer("project", "meaning", [hit("b")])

    assert names(fuse([one, other], "", 9)) == names(fuse([other, one], "", 9)) == ["a", "b"]
    assert len(fuse([one, other], "", 1)) == 1


def test_reasons_name_the_terms_that_are_there():
    words = Answer("project", "terms", [hit("Gate.release", text="let it go")])

    (found,) = fuse([words, Answer("project", "meaning", [hit("x"), hit("Gate.release")])], "Released gates, far", 1)
    assert found.why == ("terms, rank 1: Released, gates", "meaning, rank 2")


@pytest.mark.parametrize(
    ("symbol", "kind", "target"),
    [("A.b", "function", "a.py::A.b"), ("A", "class", "a.py::A"), ("Title", "section", "a.py"), ("", "text", "a.py")],
)
def test_a_target_is_what_a_plan_can_name(symbol, kind, target):
    (found,) = fuse([Answer("project", "terms", [hit(symbol, kind=kind)])], "", 1)

    assert found.target == target
